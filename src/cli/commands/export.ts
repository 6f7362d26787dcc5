// `slipway export` and `slipway import`: all rows of an installation as a stream.

import { type Command, Option } from 'commander'
import { type AgolaService, agolaServices } from '../../server/agola-import/agola-services.ts'
import { addPlaceOptions, type PlaceOptions } from '../database/place-options.ts'
import type { Io } from '../io.ts'

export type ExportOptions = PlaceOptions & {
  readonly database?: string
  readonly resume?: string
  readonly offset?: string
  readonly withSecrets?: string
  readonly key?: string
}
export type ImportOptions = PlaceOptions & {
  readonly agola?: AgolaService
  readonly withSecrets?: string
  readonly key?: string
}

export function addExportCommands(program: Command, io: Io, setStatus: (status: number) => void): void {
  const implementation = () => import('../database/export-commands.ts')
  addPlaceOptions(program.command('export <directory>'))
    .summary('all rows of an installation as text, to standard output')
    .description(
      `Writes the databases of the installation in DIRECTORY one after the other, each with counts and a checksum at its end. Logs,
archives and caches are objects, not rows: they are no part of it. Secrets stay sealed under the key of the installation.`,
    )
    .option('--database <name>', 'only this one; says an id on standard error with which it can go on')
    .option('--resume <id>', 'go on with this export of the one database')
    .option('--offset <bytes>', 'where: bytes that are there already', '0')
    .option('--with-secrets <file>', 'add secrets under the passphrase in this file; - asks for it')
    .option('--key <file>', 'the key of the installation (default: that of the settings)')
    .action(async (directory: string, options: ExportOptions) => {
      setStatus(await (await implementation()).exportRows({ directory, ...options }, io))
    })
  addPlaceOptions(program.command('import <directory>'))
    .summary('replace all rows by an export, from standard input; a bad one changes nothing')
    .addOption(
      new Option(
        '--agola <service>',
        'the export is one of Agola, of this service: what has no place here is told',
      ).choices(agolaServices),
    )
    .option('--with-secrets <file>', 'the passphrase that the export was made with is in this file')
    .option('--key <file>', 'the key of the installation, under which secrets are sealed anew')
    .action(async (directory: string, options: ImportOptions) => {
      setStatus(await (await implementation()).importRows({ directory, ...options }, io))
    })
}
