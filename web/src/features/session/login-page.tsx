import { useQuery } from '@tanstack/react-query'
import { useRouter, useSearch } from '@tanstack/react-router'
import { useEffect } from 'react'
import { call } from '../../api/client.ts'
import { useIdentity } from '../../api/session.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { Brand } from '../../app/shell.tsx'
import { LoginForm } from './login-form.tsx'
import { RemoteLogins, RemoteProblem } from './remote-logins.tsx'

/** Only addresses of this site: a link in a mail must not lead elsewhere after the login. */
export function localAddress(to: string | undefined): string {
  return to !== undefined && /^\/(?![/\\])/.test(to) ? to : '/'
}

export function LoginPage() {
  const { to, returnTo, error, remoteSource } = useSearch({ from: '/login' })
  const identity = useIdentity()
  const router = useRouter()
  const setup = useQuery({ queryKey: ['setup'], queryFn: () => call('getSetup') })
  const isLoggedIn = identity !== undefined && identity.kind !== 'anonymous'
  usePageTitle('Log in')
  useEffect(() => {
    if (!isLoggedIn) return
    // Pages of the server itself are no routes of this one.
    if (returnTo !== undefined) window.location.assign(localAddress(returnTo))
    else router.history.replace(localAddress(to))
  }, [isLoggedIn, router, to, returnTo])
  return (
    <main id="main" className="sheet stack">
      <Brand />
      {setup.data?.isNeeded === true ? (
        <>
          <h1>Nobody lives here yet</h1>
          <p>
            The first administrator is made with a one-time link. The server wrote it into a file whose path stands in
            its log: <code>first-administrator</code> in the data directory. Open that link.
          </p>
        </>
      ) : (
        <>
          <h1>Log in</h1>
          {error === undefined ? null : <RemoteProblem code={error} source={remoteSource} />}
          <LoginForm />
          <RemoteLogins returnTo={localAddress(returnTo ?? to)} />
        </>
      )}
    </main>
  )
}
