import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { call } from '../../api/client.ts'
import { useUserName } from '../../api/session.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { addressOfPath } from '../../app/project-address.ts'
import { Button } from '../../ui/button.tsx'
import { CheckField, SelectField, TextField } from '../../ui/field.tsx'
import { Problem } from '../../ui/load-state.tsx'
import { Page, Panel } from '../../ui/page.tsx'
import { nameProblem } from './name-rule.ts'
import { myOrganizationsQuery } from './queries.ts'

const minuteMs = 60_000

/** Owners one can make something in, and the group one came from. */
export function useParents(given: string | undefined): readonly (readonly [string, string])[] {
  const userName = useUserName()
  const organizations = useQuery(myOrganizationsQuery)
  const paths = [
    ...(given === undefined ? [] : [given]),
    `user/${userName}`,
    ...(organizations.data ?? []).map(({ organization }) => `org/${organization.name}`),
  ]
  return [...new Set(paths)].map((path) => [path, path] as const)
}

export function NewProjectPage() {
  const { in: given } = useSearch({ from: '/inside/new-project' })
  const parents = useParents(given)
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const [name, setName] = useState('')
  const [parent, setParent] = useState(given)
  const [auth, setAuth] = useState<'none' | 'sshkey' | 'password'>('none')
  usePageTitle('New project')
  const create = useMutation({
    mutationFn: (form: FormData) => {
      const password = String(form.get('password') ?? '')
      const userName = String(form.get('userName') ?? '')
      return call('createProject', {
        body: {
          name,
          parentRef: parent ?? parents[0]![0],
          visibility: form.get('private') === 'on' ? 'private' : 'public',
          source: {
            kind: 'git',
            url: String(form.get('url')).trim(),
            auth,
            pollIntervalMs: Math.round(Number(form.get('poll') ?? 0) * minuteMs),
            ...(auth === 'password' && userName !== '' ? { userName } : {}),
          },
          ...(auth === 'password' ? { gitPassword: password } : {}),
        },
      })
    },
    onSuccess: async ({ path }) => {
      await queryClient.invalidateQueries({ queryKey: ['projects'] })
      void queryClient.invalidateQueries({ queryKey: ['group-content'] })
      await navigate({
        to: auth === 'sshkey' ? '/projects/$project/settings/$section' : '/projects/$project',
        params: { project: addressOfPath(path), section: 'general' },
      } as never)
    },
  })
  const problem = nameProblem(name)
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (problem === undefined) create.mutate(new FormData(event.currentTarget))
  }
  return (
    <Page title="New project">
      <Panel>
        <form className="form" onSubmit={submit}>
          <TextField
            label="Name"
            value={name}
            onChange={({ target }) => setName(target.value)}
            problem={problem}
            required
            autoFocus
            autoComplete="off"
          />
          <SelectField
            label="In"
            options={parents}
            value={parent ?? parents[0]?.[0] ?? ''}
            onChange={({ target }) => setParent(target.value)}
          />
          <TextField
            label="Repository"
            name="url"
            required
            autoComplete="off"
            placeholder="https://git.example.org/team/web.git"
            help="What git fetches from: https, ssh or git, without a password in it."
          />
          <SelectField
            label="Access"
            value={auth}
            onChange={({ target }) => setAuth(target.value as typeof auth)}
            options={[
              ['none', 'Open to everybody'],
              ['sshkey', 'Deploy key: made here, you add it to the repository'],
              ['password', 'User name and password or token'],
            ]}
          />
          {auth === 'password' ? (
            <>
              <TextField label="User name" name="userName" autoComplete="off" />
              <TextField label="Password or token" name="password" type="password" autoComplete="off" required />
            </>
          ) : null}
          <TextField
            label="Look for new commits every … minutes"
            name="poll"
            type="number"
            min={0}
            max={10_080}
            defaultValue={5}
            help="0 for never: then pushes are told by a webhook, or runs are started by hand."
          />
          <CheckField
            label="Private"
            name="private"
            defaultChecked
            help="Only you, or members of the organization, see it, its runs and logs."
          />
          {create.error === null ? null : <Problem error={create.error} />}
          <div className="form-actions">
            <Button
              type="submit"
              kind="primary"
              isBusy={create.isPending}
              disabled={name === '' || problem !== undefined}
            >
              {create.isPending ? 'Making…' : 'Make the project'}
            </Button>
          </div>
        </form>
      </Panel>
    </Page>
  )
}
