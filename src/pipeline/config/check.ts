// The one entry to reading a definition: text in, config or everything that is wrong with it out.

import { limits } from '../../lib/limits.ts'
import { parseYaml } from '../languages/yaml11/parse-yaml.ts'
import type { Position } from '../languages/yaml11/tree.ts'
import type { Config, Dialect } from './config.ts'
import { decodeConfig } from './decode.ts'
import type { Diagnostic, Problem } from './diagnostic.ts'
import { definitionFileOf } from './find-definition.ts'
import { formatPath } from './place.ts'
import { validateConfig } from './validate.ts'

export type Definition = {
  /** For messages; its folder decides the dialect, its extension the language. */
  readonly path: string
  readonly text: string
  /** Instead of the one its folder says: `.agola` is lenient, everything else strict. */
  readonly dialect?: Dialect
}

export type CheckedDefinition = {
  /** Present when there are no errors. */
  readonly config?: Config
  /** In the order of the file. */
  readonly errors: readonly Diagnostic[]
  readonly warnings: readonly Diagnostic[]
}

/** Decodes and checks a definition. Never throws; all errors are found at once, unless the text is no document at all. */
export function checkDefinition(definition: Definition): CheckedDefinition {
  const { path, text } = definition
  const file = definitionFileOf(path)
  const language = file?.language ?? 'yaml'
  const wholeFile = (message: string): CheckedDefinition => ({
    errors: [{ severity: 'error', file: path, line: 0, column: 0, path: '', message }],
    warnings: [],
  })
  if (language !== 'yaml' && language !== 'json')
    return wholeFile(`this version evaluates definitions in YAML and JSON only, not in ${language}`)
  const bytes = Buffer.byteLength(text)
  const bytesMax = limits.definitionBytes.value
  if (bytes > bytesMax) return wholeFile(`config size is greater than allowed max config size: ${bytes} > ${bytesMax}`)

  const document = parseYaml(text)
  if (!document.ok) {
    const { line, column, message } = document.error
    return {
      errors: [{ severity: 'error', file: path, line, column, path: '', message: `yaml: ${message}` }],
      warnings: [],
    }
  }
  const dialect = definition.dialect ?? file?.dialect ?? 'slipway'
  const { config, problems, places } = decodeConfig(document.root, dialect)
  const later = laterDocument(text)
  const ofTheText = [...document.diagnostics, ...(later === undefined ? [] : [later])].map(
    ({ line, column, message }): Diagnostic => ({
      severity: dialect === 'slipway' ? 'error' : 'warning',
      file: path,
      line,
      column,
      path: '',
      message,
    }),
  )
  const diagnostics = [
    ...ofTheText,
    ...[...problems, ...validateConfig(config, places)].map((problem) => diagnosticOf(problem, path)),
  ].sort((a, b) => a.line - b.line || a.column - b.column)
  const errors = diagnostics.filter(({ severity }) => severity === 'error')
  const warnings = diagnostics.filter(({ severity }) => severity === 'warning')
  return { ...(errors.length === 0 ? { config } : {}), errors: listed(errors), warnings: listed(warnings) }
}

/** Where a second document begins: a line of `---` ends the first, whatever it stands in. */
function laterDocument(text: string): (Position & { readonly message: string }) | undefined {
  let hasContent = false
  let separator: number | undefined
  for (const [index, line] of text.split('\n').entries()) {
    const isSeparator = /^---(?:\s|$)/.test(line)
    if (isSeparator && hasContent) separator ??= index + 1
    if (!/^\s*(?:#.*)?$|^%/.test(isSeparator ? line.slice(3) : line)) {
      if (separator !== undefined)
        return { line: separator, column: 1, message: 'only the first document is read: what follows is ignored' }
      hasContent = true
    }
  }
  return undefined
}

function diagnosticOf({ place, ...problem }: Problem, file: string): Diagnostic {
  return {
    ...problem,
    message: cut(problem.message),
    file,
    line: place?.position.line ?? 0,
    column: place?.position.column ?? 0,
    path: place === undefined ? '' : cut(formatPath(place.path)),
  }
}

/** A name in a message may be as long as the definition, and the messages are kept with the run. */
function cut(text: string): string {
  const lengthMax = limits.definitionDiagnosticCharacters.value
  return text.length > lengthMax ? `${text.slice(0, lengthMax).toWellFormed()}...` : text
}

/** Aliases can repeat one mistake very often. */
function listed(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const countMax = limits.definitionDiagnostics.value
  const [first] = diagnostics
  if (first === undefined || diagnostics.length <= countMax) return diagnostics
  const message = `${diagnostics.length - countMax} more of these are not listed`
  return [
    ...diagnostics.slice(0, countMax),
    { severity: first.severity, file: first.file, line: 0, column: 0, path: '', message },
  ]
}
