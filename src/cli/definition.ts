// Finds and checks the definition of a repository's working tree.

import { isUtf8 } from 'node:buffer'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorMessage, SlipwayError } from '../lib/errors.ts'
import { type CheckedDefinition, checkDefinition } from '../pipeline/config/check.ts'
import type { Config } from '../pipeline/config/config.ts'
import { type Diagnostic, formatDiagnostic } from '../pipeline/config/diagnostic.ts'
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
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (cause) {
    throw new SlipwayError('config_not_found', `cannot read the definition ${path}: ${errorMessage(cause)}`, { cause })
  }
  if (!isUtf8(bytes)) return { errors: [notUtf8(bytes, path)], warnings: [], path }
  return { ...checkDefinition({ path, text: bytes.toString('utf8') }), path }
}

/** Decoding would put other characters in the place of what is wrong, also in commands. */
function notUtf8(bytes: Buffer, file: string): Diagnostic {
  const lines = bytes.toString('utf8').split('\n')
  const line = lines.findIndex((text) => text.includes(replacement))
  const column = lines[line]?.indexOf(replacement) ?? -1
  const message = 'these bytes are not UTF-8'
  return { severity: 'error', file, line: line + 1, column: column + 1, path: '', message, expected: 'a file in UTF-8' }
}

/** What decoding puts there. */
const replacement = '\ufffd'
