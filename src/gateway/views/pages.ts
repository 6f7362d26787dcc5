// Pages of lists.

import type { PageOptions } from '../../configstore/api.ts'

/** `limit`, `cursor` and `sort` of a request, as the configstore takes them. */
export function pageOptions(query: {
  readonly limit?: number
  readonly cursor?: string
  readonly sort?: 'asc' | 'desc'
}): PageOptions {
  return {
    ...(query.limit === undefined ? {} : { limit: query.limit }),
    ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
    ...(query.sort === undefined ? {} : { descending: query.sort === 'desc' }),
  }
}

export function pageView<T, V>(
  page: { readonly items: readonly T[]; readonly nextCursor?: string },
  view: (item: T) => V,
): { items: V[]; nextCursor?: string } {
  return { items: page.items.map(view), ...(page.nextCursor === undefined ? {} : { nextCursor: page.nextCursor }) }
}
