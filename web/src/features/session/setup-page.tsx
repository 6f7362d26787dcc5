// The one-time link for the first administrator: `/setup#token=...`. The token stands behind the `#`, so no server and no log gets it
// with the address.

import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { call } from '../../api/client.ts'
import { useSessionActions } from '../../api/session.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { Brand } from '../../app/shell.tsx'
import { Button, LinkButton } from '../../ui/button.tsx'
import { TextField } from '../../ui/field.tsx'
import { Loaded, Problem } from '../../ui/load-state.tsx'
import { passwordCharactersMin } from './new-password-field.tsx'

export function SetupPage() {
  const setup = useQuery({ queryKey: ['setup'], queryFn: () => call('getSetup') })
  usePageTitle('Set up')
  return (
    <main id="main" className="sheet stack">
      <Brand />
      <Loaded query={setup} what="the state of this installation">
        {({ isNeeded }) => (isNeeded ? <SetupForm /> : <SetupDone />)}
      </Loaded>
    </main>
  )
}

function SetupDone() {
  return (
    <>
      <h1>This link was used</h1>
      <p>There is an administrator already. Log in, or ask them for an account.</p>
      <LinkButton to="/login" kind="primary">
        Log in
      </LinkButton>
    </>
  )
}

function SetupForm() {
  const { setUp } = useSessionActions()
  const navigate = useNavigate()
  const [token] = useState(() => new URLSearchParams(window.location.hash.slice(1)).get('token') ?? '')
  const [isBusy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string>()
  const [error, setError] = useState<unknown>()
  if (token === '')
    return (
      <>
        <h1>The link is not complete</h1>
        <p>
          It ends in <code>#token=</code> and a long word. The server wrote it into the file{' '}
          <code>first-administrator</code> in its data directory.
        </p>
      </>
    )
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const password = String(form.get('password'))
    const short = password.length < passwordCharactersMin ? `At least ${passwordCharactersMin} characters.` : undefined
    setProblem(short)
    setError(undefined)
    if (short !== undefined) return
    setBusy(true)
    try {
      await setUp(token, String(form.get('username')), password)
      await navigate({ to: '/' })
    } catch (thrown) {
      setError(thrown)
    } finally {
      setBusy(false)
    }
  }
  return (
    <>
      <h1>Make the first administrator</h1>
      <p>This account may do everything here, and makes the others.</p>
      <form className="form" onSubmit={(event) => void submit(event)}>
        <TextField
          label="Name"
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          required
          autoFocus
          help="Letters, digits and single hyphens."
        />
        <TextField
          label="Password"
          name="password"
          type="password"
          autoComplete="new-password"
          required
          problem={problem}
          help={`At least ${passwordCharactersMin} characters.`}
        />
        {error === undefined ? null : <Problem error={error} />}
        <Button type="submit" kind="primary" isBusy={isBusy}>
          {isBusy ? 'Making…' : 'Make it and log in'}
        </Button>
      </form>
    </>
  )
}
