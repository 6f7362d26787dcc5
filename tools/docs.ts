// `npm run docs`: writes the pages of docs/ that are made from the sources. A test compares them.
//
//   node tools/docs.ts

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ErrorKind, errorCodes } from '../src/lib/errors.ts'
import { type Limit, limits } from '../src/lib/limits.ts'
import { settingsPage, settingsSchemaFile } from './settings-page.ts'

/** Pages by name, as they should be. */
export function generatedPages(): Readonly<Record<string, string>> {
  return {
    'limits.md': limitsPage(),
    'errors.md': errorsPage(),
    'settings.md': settingsPage(note),
    'settings.schema.json': settingsSchemaFile(),
  }
}

const note = 'This page is made from the sources by `npm run docs`.'

function limitsPage(): string {
  const rows = Object.entries(limits).map(([name, limit]) => `| \`${name}\` | ${describe(limit)} | ${limit.effect} |`)
  return [
    '# Limits',
    '',
    `Everything in Slipway that could grow has a bound. ${note}`,
    '',
    '| limit | value | what happens at it |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

const kinds: Readonly<Record<ErrorKind, string>> = {
  invalid: 'The request or definition is wrong; sending it again changes nothing.',
  unauthenticated: 'Nobody is logged in, or the token or session is not valid.',
  forbidden: 'The caller is known and may not do this.',
  notfound: 'What was named does not exist, or may not be known of.',
  conflict: 'The state does not allow it, or somebody was faster: look again and decide anew.',
  limit: 'A limit was reached.',
  ratelimited: 'Too many requests; try again later.',
  unavailable: 'Cannot be answered now; trying later may help.',
  cancelled: 'The caller cancelled it.',
  internal: 'Trouble of the machinery itself: a bug, a broken disk, damaged data.',
}

function errorsPage(): string {
  return [
    '# Error codes',
    '',
    `Every error has a code for programs and a message for people. The kind of a code says what can be done. ${note}`,
    '',
    '| kind | meaning |',
    '|---|---|',
    ...Object.entries(kinds).map(([kind, meaning]) => `| ${kind} | ${meaning} |`),
    '',
    '| code | kind | meaning |',
    '|---|---|---|',
    ...Object.entries(errorCodes).map(([code, { kind, meaning }]) => `| \`${code}\` | ${kind} | ${meaning} |`),
    '',
  ].join('\n')
}

const units: Readonly<Record<Limit['unit'], readonly (readonly [number, string])[]>> = {
  bytes: [
    [2 ** 30, 'GiB'],
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
    [1, 'bytes'],
  ],
  milliseconds: [
    [86_400_000, 'days'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1000, 's'],
    [1, 'ms'],
  ],
  count: [[1, '']],
  percent: [[1, '%']],
  characters: [[1, 'characters']],
}

/** `50 GiB`, `90 s`, `10,000`: in the largest unit that needs no fraction. */
function describe({ value, unit }: Limit): string {
  const [size, name] = units[unit].find(([candidate]) => value % candidate === 0)!
  const number = (value / size).toLocaleString('en-US')
  return `${number} ${size === 86_400_000 && value === size ? 'day' : name}`.trim()
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(generatedPages()))
    writeFileSync(join(import.meta.dirname, '../docs', name), text)
}
