// `slipway config check` once its options are parsed.

import { formatDiagnostic } from '../../pipeline/config/diagnostic.ts'
import { readDefinition } from '../definition.ts'
import { exitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'
import { findRepository } from '../working-tree/repository.ts'

export type CheckOptions = { readonly file?: string; readonly strict?: true }

/** Returns the exit status. */
export async function checkConfig(options: CheckOptions, io: Io): Promise<number> {
  const definition = readDefinition(await findRepository(io.cwd), options.file)
  for (const notice of definition.notices) io.stderr.write(`${notice}\n`)
  for (const diagnostic of [...definition.errors, ...definition.warnings])
    io.stdout.write(`${formatDiagnostic(diagnostic)}\n`)
  const isBad = definition.errors.length > 0 || (options.strict === true && definition.warnings.length > 0)
  if (!isBad)
    io.stdout.write(
      `${definition.path}: ${definition.warnings.length === 0 ? 'no errors' : `no errors, ${definition.warnings.length} warnings`}\n`,
    )
  return isBad ? exitStatus.usage : exitStatus.success
}
