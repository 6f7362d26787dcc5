import { useMutation } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import { Button } from '../../ui/button.tsx'
import { TextField } from '../../ui/field.tsx'
import { Problem } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { NewPasswordField } from '../session/new-password-field.tsx'

export function Password({ userName }: { readonly userName: string }) {
  const save = useMutation({
    mutationFn: ({ form }: { readonly form: HTMLFormElement }) => {
      const data = new FormData(form)
      const currentPassword = String(data.get('current'))
      return call('setPassword', {
        params: { userRef: userName },
        body: { newPassword: String(data.get('new')), ...(currentPassword === '' ? {} : { currentPassword }) },
      })
    },
    onSuccess: (_, { form }) => form.reset(),
  })
  return (
    <Panel title="Password">
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          save.mutate({ form: event.currentTarget })
        }}
      >
        <input type="text" name="username" autoComplete="username" value={userName} readOnly hidden />
        <TextField label="Now" name="current" type="password" autoComplete="current-password" />
        <NewPasswordField name="new" label="New" more=". Your other sessions end." />
        {save.error === null ? null : <Problem error={save.error} />}
        <div className="form-actions">
          <Button type="submit" kind="primary" isBusy={save.isPending}>
            Change it
          </Button>
          <span role="status">{save.isSuccess ? 'Changed.' : ''}</span>
        </div>
      </form>
    </Panel>
  )
}
