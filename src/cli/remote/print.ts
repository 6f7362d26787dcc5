// What commands tell: a table for people, JSON for programs.

import { stripVTControlCharacters } from 'node:util'
import type { Io } from '../io.ts'

export const outputFormats = ['table', 'json'] as const
export type OutputFormat = (typeof outputFormats)[number]

/** A column: its heading and what it shows of an item. */
export type Column<T> = readonly [heading: string, show: (item: T) => string | number | boolean | undefined]

/** JSON: an array, each item as the server gave it. Table: nothing but the heading when there are none. */
export function printList<T>(
  items: readonly T[],
  columns: readonly Column<T>[],
  format: OutputFormat,
  io: Pick<Io, 'stdout'>,
): void {
  if (format === 'json') {
    printJson(items, io)
    return
  }
  const rows = [
    columns.map(([heading]) => heading.toUpperCase()),
    ...items.map((item) => columns.map(([, show]) => cell(show(item)))),
  ]
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  for (const row of rows)
    io.stdout.write(
      `${row
        .map((text, column) => text.padEnd(widths[column]!))
        .join('  ')
        .trimEnd()}\n`,
    )
}

/** JSON: the item. Otherwise `name  value` per line. */
export function printItem<T>(
  item: T,
  columns: readonly Column<T>[],
  format: OutputFormat,
  io: Pick<Io, 'stdout'>,
): void {
  if (format === 'json') {
    printJson(item, io)
    return
  }
  const width = Math.max(...columns.map(([heading]) => heading.length))
  for (const [heading, show] of columns) {
    const text = cell(show(item))
    if (text !== '') io.stdout.write(`${heading.padEnd(width)}  ${text}\n`)
  }
}

export function printJson(value: unknown, io: Pick<Io, 'stdout'>): void {
  io.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`)
}

/** One line, and nothing in it commands a terminal. */
function cell(value: string | number | boolean | undefined): string {
  if (value === undefined) return ''
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return stripVTControlCharacters(String(value)).replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
}
