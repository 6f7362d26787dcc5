// `slipway serve`: the server, all of it or some of its components.

import type { Command } from 'commander'
import type { Io } from '../io.ts'
import type { ServeOptions } from '../serve/serve.ts'

export function addServeCommand(program: Command, io: Io, version: string): void {
  program
    .command('serve')
    .summary('run the server: everything in one process, or some components of it')
    .description(
      `Runs the server until it is stopped by SIGTERM or Ctrl-C. Without any option all of it, for this machine: data in the data
directory of the user, keys made at the first start, and a file with the link for the first administrator.`,
    )
    .option('-c, --config <file>', 'settings (docs/settings.md)')
    .option('--listen <host:port>', 'where it listens (default: 127.0.0.1:8080)')
    .option('--data <dir>', 'the data directory')
    .option('--components <names>', 'what this process runs, with commas between (default: all)')
    .addHelpText(
      'after',
      `
Examples:
  slipway serve
  slipway serve --listen 0.0.0.0:8080 --data /var/lib/slipway
  SLIPWAY_EXECUTOR_DRIVER=docker slipway serve --config /etc/slipway.yml

Exit status: 0 stopped, 2 wrong settings, 3 stopped at once by a second signal, 4 trouble of the machinery itself.`,
    )
    .action(async (options: ServeOptions) => {
      await (await import('../serve/serve.ts')).serve(options, io, version)
    })
}
