// Finds and checks the definition of a repository's working tree.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorMessage, SlipwayError } from '../lib/errors.ts'
import { type CheckedDefinition, checkDefinition } from '../pipeline/config/check.ts'
import type { Config } from '../pipeline/config/config.ts'
import { formatDiagnostic } from '../pipeline/config/diagnostic.ts'
import { chooseDefinition, definitionFiles, mistakenDefinitionFiles } from '../pipeline/config/find-definition.ts'
import type { Repository } from './working-tree/repository.ts'

export type ReadDefinition = CheckedDefinition & { readonly path: string; readonly notices: readonly string[] }

/** `file`: a path given by the user instead of the usual ones. Errors: `config_not_found`. */
export function readDefinition(repository: Repository, file?: string): ReadDefinition {
  if (file !== undefined) return { ...checkFile(file, file), notices: [] }
  const candidates = [...definitionFiles.map(({ path }) => path), ...mistakenDefinitionFiles]
  const existing = candidates.filter((path) => existsSync(join(repository.root, path)))
  const chosen = chooseDefinition(existing)
  if (chosen.kind === 'none') throw new SlipwayError('config_not_found', `${repository.root}: ${chosen.message}`)
  return { ...checkFile(join(repository.root, chosen.file.path), chosen.file.path), notices: chosen.notices }
}

/** The config, or `config_invalid` with every error, one a line. */
export function requireConfig(definition: ReadDefinition): Config {
  if (definition.config !== undefined) return definition.config
  const lines = definition.errors.map(formatDiagnostic)
  throw new SlipwayError('config_invalid', [`${definition.path} cannot be used:`, ...lines].join('\n'))
}

function checkFile(file: string, path: string): CheckedDefinition & { readonly path: string } {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new SlipwayError('config_not_found', `cannot read the definition ${path}: ${errorMessage(cause)}`, { cause })
  }
  return { ...checkDefinition({ path, text }), path }
}
