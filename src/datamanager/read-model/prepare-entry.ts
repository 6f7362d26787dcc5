// What is stored of a family in its entry, made of the head of the family.

import { invariant } from '../../lib/errors.ts'
import { isUuid } from '../cold/stored-entry.ts'
import type { FamilyEntry } from '../database.ts'
import type { PreparedEntry } from './batch.ts'
import type { DeclaredFamily } from './catalog.ts'

/** Of a head, checked so that writing it cannot fail. */
export function prepareEntry({ entry: entryOf, isFinal }: DeclaredFamily, id: string, body: string): PreparedEntry {
  const head: unknown = JSON.parse(body)
  const entry = entryOf(head)
  checkEntry(entry, id)
  return { entry, isFinal: isUuid(id) && isFinal(head) }
}

function checkEntry(entry: FamilyEntry, id: string): void {
  const { order, path, state, number, label, createdAt, startedAt, endedAt, removableSince, repeats } = entry
  const numbers = [order, state, number, createdAt, startedAt ?? 0, endedAt ?? 0, removableSince ?? 0]
  const areTexts = typeof path === 'string' && typeof label === 'string' && typeof (repeats ?? '') === 'string'
  invariant(areTexts && numbers.every(Number.isFinite), `the entry of family ${id} is not made of texts and numbers`)
}
