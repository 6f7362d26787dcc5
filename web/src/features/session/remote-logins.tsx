// Logging in by a provider of repositories: a button for each that has pages of its own for that, a form for those that take a password.

import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { ApiError } from '../../../../src/contract/client.ts'
import type { ResponseOf } from '../../../../src/contract/route.ts'
import type { ApiRoutes } from '../../../../src/contract/routes.ts'
import { call } from '../../api/client.ts'
import { useSessionActions } from '../../api/session.ts'
import { Button } from '../../ui/button.tsx'
import { TextField } from '../../ui/field.tsx'
import { Problem } from '../../ui/load-state.tsx'

export type RemoteSource = ResponseOf<ApiRoutes['listRemoteSources']>['items'][number]

export function useRemoteSources() {
  return useQuery({
    queryKey: ['remote-sources'],
    queryFn: ({ signal }) => call('listRemoteSources', { query: { limit: 100 }, signal }),
  })
}

/** Those where people have accounts, which repositories are chosen from. */
export function useAccountSources(): readonly RemoteSource[] {
  return (useRemoteSources().data?.items ?? []).filter(({ authType }) => authType !== 'none')
}

/** Of what came back from a provider; others are told by their code. */
const problemWords: Readonly<Record<string, string>> = {
  login_failed: 'Nobody here belongs to that account. Ask an administrator, or log in with a name and link it.',
  oauth2_refused: 'It was refused there, or took longer than ten minutes. Try again.',
  provider_unavailable: 'It cannot be reached now. Try again later.',
  provider_refused: 'It refused what this server asked. Its administrator finds more in the log of the server.',
  remote_login_off: 'Logging in with it is off.',
  linked_account_exists: 'That account belongs to another user here.',
  registration_not_found: 'The registration took longer than ten minutes. Log in again.',
}

export function RemoteProblem({ code, source }: { readonly code: string; readonly source: string | undefined }) {
  return (
    <div className="note" data-kind="problem" role="alert">
      <span />
      <span>
        <strong>{source === undefined ? 'The login did not work.' : `Logging in with ${source} did not work.`}</strong>{' '}
        {problemWords[code] ?? `(${code})`}
      </span>
      <span />
    </div>
  )
}

export function RemoteLogins({ returnTo }: { readonly returnTo: string }) {
  const [open, setOpen] = useState<string>()
  const sources = useAccountSources().filter(
    ({ loginEnabled, registrationEnabled }) => loginEnabled || registrationEnabled,
  )
  if (sources.length === 0) return null
  return (
    <section className="stack" aria-label="Other ways to log in">
      <p className="or">
        <span>or</span>
      </p>
      {sources.map((source) =>
        source.authType === 'oauth2' ? (
          <OAuth2Button key={source.id} source={source} returnTo={returnTo} />
        ) : open === source.id ? (
          <PasswordForm key={source.id} source={source} />
        ) : (
          <Button key={source.id} onClick={() => setOpen(source.id)}>
            Log in with {source.name}
          </Button>
        ),
      )}
    </section>
  )
}

function OAuth2Button({ source, returnTo }: { readonly source: RemoteSource; readonly returnTo: string }) {
  const [error, setError] = useState<unknown>()
  const [isBusy, setBusy] = useState(false)
  const go = async () => {
    setBusy(true)
    setError(undefined)
    try {
      const body = { remoteSourceRef: source.id, ...(returnTo === '/' ? {} : { returnTo }) }
      location.assign((await call('beginOAuth2Login', { body })).authorizeUrl)
    } catch (thrown) {
      setError(thrown)
      setBusy(false)
    }
  }
  return (
    <>
      <Button isBusy={isBusy} onClick={() => void go()}>
        Log in with {source.name}
      </Button>
      {error === undefined ? null : <Problem error={error} />}
    </>
  )
}

function PasswordForm({ source }: { readonly source: RemoteSource }) {
  const { loginRemote } = useSessionActions()
  const navigate = useNavigate()
  const [error, setError] = useState<unknown>()
  const [isBusy, setBusy] = useState(false)
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    setBusy(true)
    setError(undefined)
    try {
      const isKnown = await loginRemote(source.id, String(form.get('username')), String(form.get('password')))
      if (!isKnown) await navigate({ to: '/register' })
    } catch (thrown) {
      setError(thrown)
    } finally {
      setBusy(false)
    }
  }
  return (
    <form className="form" onSubmit={(event) => void submit(event)} aria-label={`Log in with ${source.name}`}>
      <TextField label={`Name at ${source.name}`} name="username" autoComplete="username" required autoFocus />
      <TextField label={`Password at ${source.name}`} name="password" type="password" required />
      {error === undefined ? null : error instanceof ApiError && error.code === 'login_failed' ? (
        <RemoteProblem code="login_failed" source={source.name} />
      ) : (
        <Problem error={error} />
      )}
      <Button type="submit" isBusy={isBusy}>
        Log in with {source.name}
      </Button>
    </form>
  )
}
