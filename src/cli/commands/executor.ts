// `slipway executor`: executes tasks of a server on this machine.

import { type Command, InvalidArgumentError, Option } from 'commander'
import type { ExecutorOptions } from '../executor/executor-command.ts'
import type { Io } from '../io.ts'

export function addExecutorCommand(program: Command, io: Io, version: string): void {
  program
    .command('executor')
    .summary('execute tasks of a server on this machine')
    .description(
      `Executes tasks of a server on this machine until it is stopped by SIGTERM or Ctrl-C. Tasks that run are left as they are: the next
start on the same data directory goes on with them. It needs no port: it connects to the server.`,
    )
    .option('-c, --config <file>', 'settings (docs/executors.md)')
    .option('--url <url>', 'of the server')
    .option('--token-file <file>', 'the token of this executor, from an administrator of the server')
    .option('--ca-file <file>', 'certificate authorities that are trusted besides the usual ones')
    .option('--bucket-ca-file <file>', 'the same, for the bucket of the server (default: that of --ca-file)')
    .option('--data <dir>', 'the data directory')
    .addOption(new Option('--driver <driver>', 'how pods are made (default: auto)').choices(['auto', 'docker', 'host']))
    .option('--tasks <number>', 'tasks at once (default: the number of processors)', parseCount)
    .option('--label <name=value>', 'what tasks may ask for (repeatable)', collectLabel)
    .option('--allow-privileged', 'tasks may ask for privileged containers')
    .option('--allow-unsandboxed', 'tasks may run as ordinary processes when there is no bubblewrap')
    .addHelpText(
      'after',
      `
Examples:
  slipway executor --url https://ci.example.org --token-file /etc/slipway/token --data /var/lib/slipway-executor
  SLIPWAY_EXECUTOR_TASKS=8 slipway executor --config /etc/slipway/executor.yml

Exit status: 0 stopped, 2 wrong settings or a token that is refused, 3 stopped at once by a second signal, 4 trouble of the machinery.`,
    )
    .action(async (options: ExecutorOptions) => {
      await (await import('../executor/executor-command.ts')).executorCommand(options, io, version)
    })
}

function parseCount(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('wants a whole number from 1')
  return count
}

function collectLabel(text: string, before: Readonly<Record<string, string>> | undefined): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('wants NAME=VALUE')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}
