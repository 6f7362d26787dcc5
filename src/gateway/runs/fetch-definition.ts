// The definition of a commit, from the repository itself.

import type { GitSource } from '../../gitsource/git-source.ts'
import { isSlipwayError } from '../../lib/errors.ts'
import { checkDefinition } from '../../pipeline/config/check.ts'
import type { Config } from '../../pipeline/config/config.ts'
import { formatDiagnostic } from '../../pipeline/config/diagnostic.ts'
import { chooseDefinition, definitionFiles, mistakenDefinitionFiles } from '../../pipeline/config/find-definition.ts'

export type FetchedDefinition =
  | { readonly kind: 'config'; readonly config: Config; readonly path: string; readonly text: string }
  /** It cannot be used; all that is wrong with it. */
  | { readonly kind: 'errors'; readonly errors: readonly string[]; readonly path: string; readonly text: string }
  /** The commit has none; for people. */
  | { readonly kind: 'none'; readonly message: string }

const folders = ['.slipway', '.agola']

/** `read`: as `readDefinition`. Errors: those of the source but for a file that is too large, which is an error of the definition. */
export async function fetchDefinition(
  source: Pick<GitSource, 'readFiles'>,
  commit: { readonly sha: string; readonly ref: string | undefined },
  signal: AbortSignal,
  read: typeof readDefinition = readDefinition,
): Promise<FetchedDefinition> {
  const texts = new Map<string, string>()
  for (const folder of folders) {
    const names = [...definitionFiles.map(({ path }) => path), ...mistakenDefinitionFiles]
      .filter((path) => path.startsWith(`${folder}/`))
      .map((path) => path.slice(folder.length + 1))
    try {
      for (const { path, text } of await source.readFiles(commit, folder, names, signal)) texts.set(path, text)
    } catch (error) {
      if (!isSlipwayError(error, 'limit_exceeded')) throw error
      return { kind: 'errors', errors: [error.message], path: folder, text: '' }
    }
    const found = chooseDefinition(texts.keys())
    // What lies in the other folder does not matter any more, so it is not even read.
    if (found.kind === 'found') return read(found.file.path, texts.get(found.file.path) ?? '')
  }
  const none = chooseDefinition(texts.keys())
  return { kind: 'none', message: none.kind === 'none' ? none.message : '' }
}

/** The same for a text that is at hand. Never `none`. */
export function readDefinition(path: string, text: string): Exclude<FetchedDefinition, { kind: 'none' }> {
  const { config, errors } = checkDefinition({ path, text })
  if (config !== undefined) return { kind: 'config', config, path, text }
  return { kind: 'errors', errors: errors.map(formatDiagnostic), path, text }
}
