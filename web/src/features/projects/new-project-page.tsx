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
import { useRemoteSources } from '../session/remote-logins.tsx'
import { NameField } from './name-field.tsx'
import { nameProblem } from './name-rule.ts'
import { myOrganizationsQuery } from './queries.ts'
import { type RemoteRepository, RepositoryPicker } from './repository-picker.tsx'

const minuteMs = 60_000

/** The group one came from, and owners one may make something in. */
export function useParents(given: string | undefined): readonly (readonly [string, string])[] {
  const userName = useUserName()
  const organizations = useQuery(myOrganizationsQuery)
  const paths = [
    ...(given === undefined ? [] : [given]),
    `user/${userName}`,
    ...(organizations.data ?? [])
      .filter(({ organization }) => organization.may?.create === true)
      .map(({ organization }) => `org/${organization.name}`),
  ]
  return [...new Set(paths)].map((path) => [path, path] as const)
}

/** What a project of that repository would be called. */
function nameOf(repository: RemoteRepository | undefined): string {
  return (repository?.path.split('/').at(-1) ?? '').replace(/[^A-Za-z0-9]+/g, '-').replace(/^-+|-+$/g, '')
}

export function NewProjectPage() {
  const { in: given } = useSearch({ from: '/inside/new-project' })
  const parents = useParents(given)
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const [name, setName] = useState('')
  const [parent, setParent] = useState(given)
  const [auth, setAuth] = useState<'none' | 'sshkey' | 'password'>('none')
  const remotes = (useRemoteSources().data?.items ?? []).filter(({ authType }) => authType !== 'none')
  /** Of which the repository is chosen; none where its address is typed. */
  const [from, setFrom] = useState<string>()
  const remote = remotes.find(({ id }) => id === (from ?? remotes[0]?.id))
  const [repository, setRepository] = useState<RemoteRepository>()
  usePageTitle('New project')
  const create = useMutation({
    mutationFn: (form: FormData) => {
      if (remote !== undefined && repository !== undefined)
        return call('createProject', {
          body: {
            name,
            parentRef: parent ?? parents[0]![0],
            visibility: form.get('private') === 'on' ? 'private' : 'public',
            source: { kind: 'remotesource', remoteSourceRef: remote.id, repositoryId: repository.id },
          },
        })
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
        to: remote === undefined && auth === 'sshkey' ? '/projects/$project/settings/$section' : '/projects/$project',
        params: { project: addressOfPath(path), section: 'general' },
      } as never)
    },
  })
  const problem = name === '' ? undefined : nameProblem(name)
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (problem === undefined) create.mutate(new FormData(event.currentTarget))
  }
  return (
    <Page title="New project">
      <Panel>
        <form className="form" onSubmit={submit}>
          {remotes.length === 0 ? null : (
            <SelectField
              label="Repository from"
              value={remote?.id ?? ''}
              onChange={({ target }) => {
                setFrom(target.value)
                setRepository(undefined)
              }}
              options={[...remotes.map(({ id, name: words }) => [id, words] as const), ['', 'its address']]}
            />
          )}
          {remote === undefined ? null : (
            <RepositoryPicker
              key={remote.id}
              source={remote}
              chosen={repository}
              onChoose={(chosen) => {
                setRepository(chosen)
                if (name === '' || name === nameOf(repository)) setName(nameOf(chosen))
              }}
            />
          )}
          <NameField name={name} onName={setName} />
          <SelectField
            label="In"
            options={parents}
            value={parent ?? parents[0]?.[0] ?? ''}
            onChange={({ target }) => setParent(target.value)}
          />
          {remote === undefined ? (
            <>
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
            </>
          ) : null}
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
              disabled={name === '' || problem !== undefined || (remote !== undefined && repository === undefined)}
            >
              {create.isPending ? 'Making…' : 'Make the project'}
            </Button>
          </div>
        </form>
      </Panel>
    </Page>
  )
}
