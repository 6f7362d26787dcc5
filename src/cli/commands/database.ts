// `slipway database`: what operators do with the databases of an installation that is stopped.

import { type Command, Option } from 'commander'
import { addPlaceOptions, type PlaceOptions } from '../database/place-options.ts'
import type { Io } from '../io.ts'

type Chosen = PlaceOptions & { readonly database?: string }

export function addDatabaseCommand(program: Command, io: Io, setStatus: (status: number) => void): void {
  const database = program
    .command('database')
    .summary('look at, verify, restore or move the databases of a stopped installation')
    .description('Works on the data directory of a server, or the directory of a local run, while it is stopped.')
  const implementation = () => import('../database/database-commands.ts')
  addPlaceOptions(database.command('status <directory>'))
    .summary('position, snapshots, what is shipped, who works on it')
    .addOption(new Option('-o, --output <mode>', 'how to tell').choices(['plain', 'json']).default('plain'))
    .action(async (directory: string, options: PlaceOptions & { readonly output: 'plain' | 'json' }) => {
      setStatus(await (await implementation()).showStatus({ directory, ...options }, io))
    })
  addPlaceOptions(database.command('verify <directory>'))
    .summary('reads everything and compares it with its hashes; exit status 1 when something does not fit')
    .option('--database <name>', 'only this one')
    .action(async (directory: string, options: Chosen) => {
      setStatus(await (await implementation()).verify({ directory, ...options }, io))
    })
  addPlaceOptions(database.command('restore <directory>'))
    .summary('makes databases anew from object storage: files of the embedded log, or all after another log was lost')
    .option('--database <name>', 'only this one')
    .option('--from <position>', 'the position of the snapshot to begin with (default: the newest sound one)')
    .action(async (directory: string, options: Chosen & { readonly from?: string }) => {
      setStatus(await (await implementation()).restore({ directory, ...options }, io))
    })
  addPlaceOptions(database.command('move <directory>'))
    .summary('put all rows into another log of the same installation: embedded, etcd, PostgreSQL, bucket')
    .requiredOption('--to <file>', 'the settings with the new log and the same object storage')
    .option('--timeout <seconds>', 'how long instances have to enter maintenance', '60')
    .action(async (directory: string, options: PlaceOptions & { readonly to: string; readonly timeout: string }) => {
      setStatus(await (await implementation()).move({ directory, ...options }, io))
    })
}
