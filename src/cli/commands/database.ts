// `slipway database`: what operators do with the database of an installation that is stopped.

import { type Command, Option } from 'commander'
import type { Io } from '../io.ts'

export function addDatabaseCommand(program: Command, io: Io, setStatus: (status: number) => void): void {
  const database = program
    .command('database')
    .summary('look at, verify, restore, export or replace the database of a stopped installation')
    .description(
      'Works on the directory of an installation, which holds `database` and `objects`, while it is stopped.',
    )
  const implementation = () => import('../database/database-commands.ts')
  database
    .command('status <directory>')
    .summary('position, snapshots, what is shipped')
    .addOption(new Option('-o, --output <mode>', 'how to tell').choices(['plain', 'json']).default('plain'))
    .action(async (directory: string, options: { readonly output: 'plain' | 'json' }) => {
      setStatus(await (await implementation()).showStatus({ directory, ...options }, io))
    })
  database
    .command('verify <directory>')
    .summary('reads everything and compares it with its hashes; exit status 1 when something does not fit')
    .action(async (directory: string) => {
      setStatus(await (await implementation()).verify(directory, io))
    })
  database
    .command('restore <directory>')
    .summary('makes the database anew from object storage')
    .option('--from <position>', 'the position of the snapshot to begin with (default: the newest sound one)')
    .action(async (directory: string, options: { readonly from?: string }) => {
      setStatus(await (await implementation()).restore({ directory, ...options }, io))
    })
  database
    .command('export <directory>')
    .summary('all rows as text, to standard output')
    .action(async (directory: string) => {
      setStatus(await (await implementation()).exportRows(directory, io))
    })
  database
    .command('import <directory>')
    .summary('replaces all rows by an export, from standard input; a bad one changes nothing')
    .action(async (directory: string) => {
      setStatus(await (await implementation()).importRows(directory, io))
    })
}
