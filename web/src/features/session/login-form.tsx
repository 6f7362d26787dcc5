import { type FormEvent, useState } from 'react'
import { ApiError } from '../../../../src/contract/client.ts'
import { useSessionActions } from '../../api/session.ts'
import { Button } from '../../ui/button.tsx'
import { TextField } from '../../ui/field.tsx'
import { Problem } from '../../ui/load-state.tsx'

export function LoginForm({ onDone }: { readonly onDone?: () => void }) {
  const { login } = useSessionActions()
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>()
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    setBusy(true)
    setError(undefined)
    try {
      await login(String(form.get('username')), String(form.get('password')))
      onDone?.()
    } catch (thrown) {
      setError(thrown)
    } finally {
      setBusy(false)
    }
  }
  return (
    <form className="form" onSubmit={(event) => void submit(event)}>
      <TextField label="Name" name="username" autoComplete="username" autoCapitalize="none" required autoFocus />
      <TextField label="Password" name="password" type="password" autoComplete="current-password" required />
      {error === undefined ? null : <LoginProblem error={error} />}
      <Button type="submit" kind="primary" isBusy={isBusy}>
        {isBusy ? 'Logging in…' : 'Log in'}
      </Button>
    </form>
  )
}

function LoginProblem({ error }: { readonly error: unknown }) {
  if (error instanceof ApiError && error.code === 'login_failed')
    return (
      <div className="note" data-kind="problem" role="alert">
        <span />
        <span>
          Name and password do not belong together. Somebody who forgot a password asks an administrator for a new one.
        </span>
        <span />
      </div>
    )
  return <Problem error={error} />
}
