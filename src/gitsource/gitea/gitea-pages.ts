// Lists of Gitea and Forgejo. How many items a page has is the server's choice, also when it was asked for fewer; that there are more
// some lists tell by the header Link, some by their count, and some not at all.

import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { listOf } from '../provider-fields.ts'
import type { ProviderHttp, ProviderRequest } from '../provider-http.ts'

/** The most that a server gives at once unless it was set up otherwise. */
export const perPage = 50

export type GiteaPage = {
  /** Counted from 1. */
  readonly number: number
  readonly items: readonly unknown[]
}

/** From page `first` on. Errors: those of the requests, and `limit_exceeded` with more than `limits.providerPages`. */
export async function* giteaPages(
  http: ProviderHttp,
  request: ProviderRequest,
  first: number,
  signal: AbortSignal,
): AsyncGenerator<GiteaPage> {
  let seen = 0
  for (let number = first; number < first + limits.providerPages.value; number++) {
    const query = { ...request.query, page: number, limit: perPage }
    const answer = await http.request({ ...request, query }, signal)
    const items = listOf(answer.json())
    yield { number, items }
    seen += items.length
    const total = answer.headers['x-total-count']
    const isWhole = first === 1 && total !== undefined && seen >= Number(total)
    const isLast = answer.headers.link !== undefined && answer.linkQuery('next') === undefined
    if (items.length === 0 || isWhole || isLast) return
  }
  throw new SlipwayError(
    'limit_exceeded',
    `${request.path} has more than ${limits.providerPages.value} pages (providerPages)`,
  )
}

/** All of it, before anything is done with it: what is removed meanwhile would move the pages. */
export async function giteaList(
  http: ProviderHttp,
  request: ProviderRequest,
  signal: AbortSignal,
): Promise<readonly unknown[]> {
  const pages = await Array.fromAsync(giteaPages(http, request, 1, signal))
  return pages.flatMap(({ items }) => items)
}
