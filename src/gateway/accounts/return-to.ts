// Where a browser goes when it is back: a page of this server, whatever was asked for.

import { SlipwayError } from '../../lib/errors.ts'

/** Of no server, so that it is seen whether a path leads elsewhere. */
const here = 'http://slipway.invalid'

/** The path as browsers will understand it. Errors: `request_invalid` when it leads to another server. */
export function parseReturnTo(text: string | undefined): string {
  if (text === undefined) return '/'
  const isPath = text.startsWith('/') && !/[\x00-\x20\x7f\\]/.test(text) && URL.canParse(text, here)
  const url = isPath ? new URL(text, here) : undefined
  if (url === undefined || url.origin !== here || url.pathname.startsWith('//'))
    throw new SlipwayError('request_invalid', 'returnTo: a path of this server is expected, like /projects')
  return `${url.pathname}${url.search}${url.hash}`
}

/** The path with what went wrong. */
export function withError(path: string, error: { readonly code: string; readonly remoteSource: string | undefined }) {
  const url = new URL(path, here)
  url.searchParams.set('error', error.code)
  if (error.remoteSource !== undefined) url.searchParams.set('remoteSource', error.remoteSource)
  return `${url.pathname}${url.search}${url.hash}`
}
