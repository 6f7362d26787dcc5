// Linked accounts in the cache.

import { queryOptions } from '@tanstack/react-query'
import { call } from '../../api/client.ts'

export function linkedAccountsQuery(userName: string) {
  return queryOptions({
    queryKey: ['linked-accounts', userName],
    queryFn: ({ signal }) => call('listLinkedAccounts', { params: { userRef: userName }, signal }),
    enabled: userName !== '',
  })
}
