// What is wrong or doubtful in a definition, with its place.

import type { Place } from './place.ts'

export type Severity = 'error' | 'warning'

/** A finding before the name of its file is known. */
export type Problem = {
  readonly severity: Severity
  /** Undefined when it is about the whole file. */
  readonly place?: Place
  readonly message: string
  /** What would be right there; completes "expected ...". */
  readonly expected?: string
}

export type Diagnostic = {
  readonly severity: Severity
  readonly file: string
  /** From 1; 0 when the finding is about the whole file. */
  readonly line: number
  /** From 1, in UTF-16 units; 0 when the finding is about the whole file. */
  readonly column: number
  /** For example `runs[0].tasks[2].steps[1].run.command`; empty when no value is meant. */
  readonly path: string
  readonly message: string
  readonly expected?: string
}

/**
 * One line for people: `.slipway/config.yml:12:7: runs[0].tasks[1].depends[0]: message; expected ...`. Control characters
 * that a definition may have in its names are escaped: the line may go to a terminal.
 */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { file, line, column, path, message, expected, severity } = diagnostic
  const text = [
    line === 0 ? `${file}: ` : `${file}:${line}:${column}: `,
    severity === 'warning' ? 'warning: ' : '',
    path === '' ? '' : `${path}: `,
    message,
    expected === undefined ? '' : `; expected ${expected}`,
  ].join('')
  return text.replace(/[\0-\x1f\x7f-\x9f\u2028\u2029]/g, escapeCharacter)
}

function escapeCharacter(character: string): string {
  const named = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[character]
  return named ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
