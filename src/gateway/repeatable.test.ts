// Which operations can be sent again with an `Idempotency-Key`. That they then act once is seen in every-route.test.ts.

import { expect, test } from 'vitest'
import type { Route } from '../contract/route.ts'
import { routes } from '../contract/routes.ts'

/** Why an `Idempotency-Key` means nothing there. */
const notRepeatable: Readonly<Record<string, string>> = {
  setUp: 'acts once in the life of an installation',
  login: 'nobody is known yet whose key it could be; each session ends by itself',
  loginAtRemoteSource: 'as login',
  beginOAuth2Login: 'as login',
  beginOAuth2Link: 'makes nothing but an address',
  register: 'nobody is known yet whose key it could be; the name is taken then',
  linkAccount: 'the account is linked then',
  logout: 'again changes nothing',
  reconfigureProject: 'again changes nothing',
  importData: 'a stream without a bound, of which nothing is remembered; again it replaces the same',
}

test('every POST can be sent again with an Idempotency-Key, but for those that say why not', () => {
  const posts = Object.entries(routes as Readonly<Record<string, Route>>).filter(([, { method }]) => method === 'POST')
  const not = posts.flatMap(([id, { repeatable }]) => (repeatable ? [] : [id]))
  expect(not.sort()).toEqual(Object.keys(notRepeatable).sort())
})
