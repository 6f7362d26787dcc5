// The client of this page's own server. One page has one session, so there is one client; its CSRF token comes with the session.

import { type ApiClient, ApiError, addressOf, createClient } from '../../../src/contract/client.ts'
import { routes } from '../../../src/contract/routes.ts'
import type { Identity } from './types.ts'

let csrfToken: string | undefined

const client = createClient({ url: '', csrfToken: () => csrfToken })

export function rememberCsrfToken(token: string | undefined): void {
  csrfToken = token
}

/** Who one is now. The token that came along is sent with all that changes something from here on. */
export async function fetchIdentity(): Promise<Identity> {
  const identity = await client.call('getIdentity')
  rememberCsrfToken(identity.csrfToken)
  return identity
}

/** Calls an operation. After a login in another tab the page's token is old: then it gets the new one and tries once more. */
export const call: ApiClient['call'] = async (id, ...input) => {
  try {
    return await client.call(id, ...input)
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'csrf_refused') throw error
    await fetchIdentity()
    return await client.call(id, ...input)
  }
}

export const events: ApiClient['events'] = client.events

/** Sends a file as it is: browsers send those without reading them into memory, which they do not do with streams everywhere. */
export async function uploadImport(file: File, passphrase: string): Promise<void> {
  const response = await fetch(addressOf(routes.importData, {}), {
    method: 'POST',
    body: file,
    headers: {
      'content-type': 'application/octet-stream',
      ...(csrfToken === undefined ? {} : { 'x-csrf-token': csrfToken }),
      ...(passphrase === '' ? {} : { 'slipway-passphrase': passphrase }),
    },
  })
  if (!response.ok) throw new ApiError(response.status, await response.json().catch(() => ({})))
}
