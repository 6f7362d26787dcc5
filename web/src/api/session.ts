// Who one is, as the server says; the shell and every page ask here.

import { queryOptions, useQuery, useQueryClient } from '@tanstack/react-query'
import { call, fetchIdentity, rememberCsrfToken } from './client.ts'
import type { Identity } from './types.ts'

export const sessionKey = ['session'] as const

export const sessionQuery = queryOptions({ queryKey: sessionKey, queryFn: fetchIdentity, staleTime: 60_000 })

/** Undefined until it is known. */
export function useIdentity(): Identity | undefined {
  return useQuery(sessionQuery).data
}

/** Of whoever is logged in; pages behind the login have one. */
export function useUserName(): string {
  return useIdentity()?.user?.name ?? ''
}

export function useIsAdmin(): boolean {
  return useIdentity()?.isAdmin ?? false
}

export function useSessionActions() {
  const queryClient = useQueryClient()
  return {
    login: async (username: string, password: string): Promise<void> => {
      const { csrfToken } = await call('login', { body: { username, password } })
      rememberCsrfToken(csrfToken)
      await queryClient.invalidateQueries()
    },
    /** With name and password of a remote source. False when it offers to register. */
    loginRemote: async (remoteSourceRef: string, username: string, password: string): Promise<boolean> => {
      const answer = await call('loginAtRemoteSource', { body: { remoteSourceRef, username, password } })
      if (!('csrfToken' in answer)) return false
      rememberCsrfToken(answer.csrfToken)
      await queryClient.invalidateQueries()
      return true
    },
    register: async (name: string): Promise<void> => {
      const { csrfToken } = await call('register', { body: { name } })
      rememberCsrfToken(csrfToken)
      await queryClient.invalidateQueries()
    },
    setUp: async (token: string, username: string, password: string): Promise<void> => {
      const { csrfToken } = await call('setUp', { body: { token, username, password } })
      rememberCsrfToken(csrfToken)
      await queryClient.invalidateQueries()
    },
    /** What was seen is forgotten, in this tab and, by loading anew, in memory. */
    logout: async (): Promise<void> => {
      await call('logout')
      window.location.assign('/login')
    },
  }
}
