// Somebody whom a provider knows and this server does not: under which name does one want to be here?

import { useQuery } from '@tanstack/react-query'
import { Navigate, useRouter } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { ApiError } from '../../../../src/contract/client.ts'
import { call } from '../../api/client.ts'
import { useSessionActions } from '../../api/session.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { Brand } from '../../app/shell.tsx'
import { Button } from '../../ui/button.tsx'
import { TextField } from '../../ui/field.tsx'
import { Loaded, Problem } from '../../ui/load-state.tsx'
import { Ago } from '../../ui/time.tsx'
import { nameProblem } from '../projects/name-rule.ts'

export function RegisterPage() {
  usePageTitle('Register')
  const registration = useQuery({
    queryKey: ['registration'],
    queryFn: ({ signal }) => call('getRegistration', { signal }),
    retry: false,
  })
  const { error } = registration
  if (error instanceof ApiError && error.code === 'registration_not_found')
    return <Navigate to="/login" search={{ error: 'registration_not_found' }} replace />
  return (
    <main id="main" className="sheet stack">
      <Brand />
      <h1>Register</h1>
      <Loaded query={registration} what="the registration" lines={3}>
        {({ remoteSource, remoteUserName, suggestedName, expiresAt }) => (
          <>
            <p>
              {remoteSource.name} knows you as <strong>{remoteUserName}</strong>. Choose your name here; it stands in
              the paths of your projects.
            </p>
            <RegisterForm suggested={suggestedName ?? ''} />
            <p className="faint">
              The offer ends <Ago time={expiresAt} />.
            </p>
          </>
        )}
      </Loaded>
    </main>
  )
}

function RegisterForm({ suggested }: { readonly suggested: string }) {
  const { register } = useSessionActions()
  const router = useRouter()
  const [name, setName] = useState(suggested)
  const [error, setError] = useState<unknown>()
  const [isBusy, setBusy] = useState(false)
  const problem = name === '' ? undefined : nameProblem(name)
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (problem !== undefined) return
    setBusy(true)
    setError(undefined)
    try {
      await register(name)
      router.history.replace('/')
    } catch (thrown) {
      setError(thrown)
      setBusy(false)
    }
  }
  return (
    <form className="form" onSubmit={(event) => void submit(event)}>
      <TextField
        label="Name"
        value={name}
        onChange={({ target }) => setName(target.value)}
        problem={problem}
        autoComplete="username"
        required
        autoFocus
      />
      {error === undefined ? null : error instanceof ApiError && error.code === 'user_exists' ? (
        <div className="note" data-kind="problem" role="alert">
          <span />
          <span>That name is taken. Choose another.</span>
          <span />
        </div>
      ) : (
        <Problem error={error} />
      )}
      <Button type="submit" kind="primary" isBusy={isBusy} disabled={name === '' || problem !== undefined}>
        Register
      </Button>
    </form>
  )
}
