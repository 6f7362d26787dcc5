// `slipway maintenance`: begins and ends maintenance of an installation and shows who has entered it.

import { type Command, Option } from 'commander'
import { addPlaceOptions, type PlaceOptions } from '../database/place-options.ts'
import type { Io } from '../io.ts'

type Output = { readonly output: 'plain' | 'json' }

export function addMaintenanceCommand(program: Command, io: Io, setStatus: (status: number) => void): void {
  const maintenance = program
    .command('maintenance')
    .summary('begin and end maintenance, see who has entered it')
    .description(
      `In maintenance nothing is written: every instance refuses everything but maintenance, export and import.
Works on the data directory of a server. With the embedded log the server must be stopped; else instances may run, and enter.`,
    )
  const implementation = () => import('../database/maintenance-commands.ts')
  const output = () => new Option('-o, --output <mode>', 'how to tell').choices(['plain', 'json']).default('plain')
  addPlaceOptions(maintenance.command('status <directory>'))
    .summary('state of each database and of each instance of the last hour')
    .addOption(output())
    .action(async (directory: string, options: PlaceOptions & Output) => {
      setStatus(await (await implementation()).showMaintenance({ directory, ...options }, io))
    })
  addPlaceOptions(maintenance.command('enter <directory>'))
    .summary('begin it; waits until every instance has entered')
    .option('--why <text>', 'what callers are told', 'maintenance')
    .option('--timeout <seconds>', 'exit status 1 when an instance has not entered by then', '60')
    .addOption(output())
    .action(
      async (
        directory: string,
        options: PlaceOptions & Output & { readonly why: string; readonly timeout: string },
      ) => {
        setStatus(await (await implementation()).enterMaintenance({ directory, ...options }, io))
      },
    )
  addPlaceOptions(maintenance.command('leave <directory>'))
    .summary('end it')
    .action(async (directory: string, options: PlaceOptions) => {
      setStatus(await (await implementation()).leaveMaintenance({ directory, ...options }, io))
    })
}
