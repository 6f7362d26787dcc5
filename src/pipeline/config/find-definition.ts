// Where a repository's definition is. Pure: the caller reads, this says what to look for and which one counts.

import type { Dialect } from './config.ts'

export const languages = ['yaml', 'json', 'jsonnet', 'starlark', 'typescript'] as const
export type Language = (typeof languages)[number]

export type DefinitionFile = { readonly path: string; readonly dialect: Dialect; readonly language: Language }

const extensions: readonly (readonly [string, Language])[] = [
  ['ts', 'typescript'],
  ['star', 'starlark'],
  ['jsonnet', 'jsonnet'],
  ['json', 'json'],
  ['yml', 'yaml'],
  ['yaml', 'yaml'],
]
// The reference knows four names; what else lies in its folder is not a definition.
const agolaExtensions = ['star', 'jsonnet', 'json', 'yml']

/** All paths, from the root of the repository, that can be a definition; the first that exists is. */
export const definitionFiles: readonly DefinitionFile[] = [
  ...extensions.map(([extension, language]) => ({
    path: `.slipway/config.${extension}`,
    dialect: 'slipway' as const,
    language,
  })),
  ...extensions
    .filter(([extension]) => agolaExtensions.includes(extension))
    .map(([extension, language]) => ({ path: `.agola/config.${extension}`, dialect: 'agola' as const, language })),
]

/** Names that people try and that are no definition: mentioned when there is none. */
export const mistakenDefinitionFiles: readonly string[] = [
  '.slipway.yml',
  '.slipway.yaml',
  '.slipway/config.toml',
  'slipway/config.yml',
  '.agola.yml',
  '.agola/config.yaml',
  '.agola/config.starlark',
  'agola/config.yml',
]

export type FoundDefinition =
  | {
      readonly kind: 'found'
      readonly file: DefinitionFile
      /** For the user: which other files are left aside. */
      readonly notices: readonly string[]
    }
  | { readonly kind: 'none'; readonly message: string }

/**
 * Which of the files that exist is the definition. `existing`: paths from the root of the repository, at least those of
 * `definitionFiles` and `mistakenDefinitionFiles`; others do no harm. `.slipway/` wins over `.agola/`.
 */
export function chooseDefinition(existing: Iterable<string>): FoundDefinition {
  const paths = new Set(existing)
  const [file, ...others] = definitionFiles.filter(({ path }) => paths.has(path))
  if (file === undefined) return { kind: 'none', message: noDefinition(paths) }
  return { kind: 'found', file, notices: others.map(({ path }) => `${file.path} is used, ${path} is ignored`) }
}

function noDefinition(paths: ReadonlySet<string>): string {
  const near = mistakenDefinitionFiles.filter((path) => paths.has(path))
  const hint = near.length === 0 ? '' : ` (${near.join(', ')}: not one of the names)`
  return `no definition found: expected .slipway/config.yml or .agola/config.yml${hint}`
}

/** The definition file a path names, also one outside a repository's root; undefined when its extension is unknown. */
export function definitionFileOf(path: string): DefinitionFile | undefined {
  const language = extensions.find(([extension]) => path.endsWith(`.${extension}`))?.[1]
  if (language === undefined) return undefined
  const folder = path.split('/').at(-2)
  return { path, language, dialect: folder === '.agola' ? 'agola' : 'slipway' }
}
