// Pages of an index: a cursor is where in its order the next page begins, so that rows which come and go meanwhile shift nothing.

import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import type { Page, PageOptions } from './api.ts'
import { type ConfigstoreSchema, configstoreRowTypes, type Reading } from './row-types.ts'

type Indexes<T extends keyof ConfigstoreSchema> = (typeof configstoreRowTypes)[T] extends { readonly indexes: infer I }
  ? I
  : never

export type Listing<T extends keyof ConfigstoreSchema> = {
  readonly type: T
  readonly index: keyof Indexes<T> & string
  readonly prefix?: readonly (string | number)[]
}

type IndexFunction = (body: unknown) => readonly (string | number)[] | undefined

/** One page, in the order of the index. Rows of which `view` gives nothing are passed over. Errors: `list_invalid`. */
export function pageOf<T extends keyof ConfigstoreSchema, V>(
  tx: Reading,
  options: PageOptions,
  { type, index, prefix = [] }: Listing<T>,
  view: (body: ConfigstoreSchema[T]) => V | undefined,
): Page<V> {
  const limit = checkLimit(options.limit)
  const cursor = options.cursor === undefined ? undefined : decodeCursor(options.cursor)
  const descending = cursor?.descending ?? options.descending ?? false
  const keyOf = (configstoreRowTypes[type] as { indexes: Record<string, unknown> }).indexes[index] as IndexFunction
  let after = cursor && [...prefix, ...cursor.after]
  const items: V[] = []
  for (;;) {
    const rows = tx.list(type, {
      index,
      prefix,
      descending,
      limit: limit + 1,
      ...(after === undefined ? {} : { after }),
    })
    for (const { id, body } of rows) {
      if (items.length === limit)
        return { items, nextCursor: encodeCursor({ after: after!.slice(prefix.length), descending }) }
      after = [...keyOf(body)!, id] // It was found in this index.
      const item = view(body)
      if (item !== undefined) items.push(item)
    }
    if (rows.length <= limit) return { items }
  }
}

type Cursor = { readonly after: readonly (string | number)[]; readonly descending: boolean }

function encodeCursor({ after, descending }: Cursor): string {
  return Buffer.from(JSON.stringify([descending ? 1 : 0, ...after])).toString('base64url')
}

function decodeCursor(text: string): Cursor {
  try {
    const [direction, ...after] = JSON.parse(Buffer.from(text, 'base64url').toString()) as unknown[]
    const isKey = after.length > 0 && after.length <= 4
    const areParts = after.every(
      (part) => typeof part === 'string' || (typeof part === 'number' && !Number.isNaN(part)),
    )
    if ((direction === 0 || direction === 1) && isKey && areParts)
      return { after: after as (string | number)[], descending: direction === 1 }
  } catch {
    // Said below, with what is not JSON at all.
  }
  throw new SlipwayError('list_invalid', 'the cursor is not one of a page before: begin without')
}

function checkLimit(limit = limits.pageItemsDefault.value): number {
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= limits.pageItems.value) return limit
  throw new SlipwayError('list_invalid', `the limit of a list is a number from 1 to ${limits.pageItems.value}`)
}
