// A family's entry as SQLite gives it, and ids of families in there.

import type { FamilyRow } from '../database.ts'

/** What a FamilyRow is made of, as an array: a page of lists is as fast as its values are few and plain. */
export type StoredEntry = readonly [
  id: string,
  order: number,
  path: string,
  label: string,
  state: number,
  number: number,
  createdAt: number,
  startedAt: number | null,
  endedAt: number | null,
  removableSince: number | null,
  repeats: string | null,
]

/** Ids as text, which costs a fifth of what bytes cost on their way out of SQLite: hex of those that are bytes, others after `=`. */
const idText = (column: string) => `CASE typeof(${column}) WHEN 'text' THEN '=' || ${column} ELSE hex(${column}) END`

/** Columns of a StoredEntry, of `family f`, `family_path p` and `family_label l`. */
export const entryColumns = `${idText('f.id')}, f.ord, p.path, l.label, f.state, f.counter, f.created_at, f.started_at, f.ended_at,
  f.removable_since, iif(f.repeats IS NULL, NULL, ${idText('f.repeats')})`

/** The other tables of these columns, joined to `family f`. */
export const entryJoins =
  'CROSS JOIN family_path p ON p.number = f.path CROSS JOIN family_label l ON l.number = f.label'

export function familyRowOf(stored: StoredEntry): FamilyRow {
  const [id, order, path, label, state, number, createdAt, startedAt, endedAt, removableSince, repeats] = stored
  return {
    id: idOf(id),
    order,
    path,
    state,
    number,
    label,
    createdAt,
    ...(startedAt === null ? {} : { startedAt }),
    ...(endedAt === null ? {} : { endedAt }),
    ...(removableSince === null ? {} : { removableSince }),
    ...(repeats === null ? {} : { repeats: idOf(repeats) }),
  }
}

const idOf = (text: string) => (text.startsWith('=') ? text.slice(1) : dashed(text.toLowerCase()))

const dashed = (hex: string) =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`

const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export function isUuid(id: string): boolean {
  return id.length === 36 && uuidForm.test(id)
}

/** UUIDs as 16 bytes, others as they are. */
export function encodeId(id: string): Uint8Array | string {
  return isUuid(id) ? Buffer.from(id.replaceAll('-', ''), 'hex') : id
}

/** What encodeId gave. */
export function decodeId(id: Uint8Array | string): string {
  return typeof id === 'string' ? id : dashed(Buffer.from(id.buffer, id.byteOffset, id.length).toString('hex'))
}
