import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { addressOfPath } from '../../app/project-address.ts'
import { CheckField, SelectField, TextField } from '../../ui/field.tsx'
import { ActionForm } from '../../ui/form-parts.tsx'
import { Page, Panel } from '../../ui/page.tsx'
import { useAccountSources } from '../session/remote-logins.tsx'
import { NameField } from './name-field.tsx'
import { nameProblem } from './name-rule.ts'
import { useParents } from './parents.ts'
import { type RemoteRepository, RepositoryPicker } from './repository-picker.tsx'
import { RunFlags, runFlagsOf } from './run-flags.tsx'

const minuteMs = 60_000

/** What a project of that repository would be called. */
function nameOf(repository: RemoteRepository | undefined): string {
  return (repository?.path.split('/').at(-1) ?? '').replace(/[^A-Za-z0-9]+/g, '-').replace(/^-+|-+$/g, '')
}

type Access = 'none' | 'sshkey' | 'password'

function gitSourceOf(form: FormData, auth: Access) {
  const userName = String(form.get('userName') ?? '')
  return {
    source: {
      kind: 'git',
      url: String(form.get('url')).trim(),
      auth,
      pollIntervalMs: Math.round(Number(form.get('poll') ?? 0) * minuteMs),
      ...(auth === 'password' && userName !== '' ? { userName } : {}),
    },
    ...(auth === 'password' ? { gitPassword: String(form.get('password')) } : {}),
  } as const
}

export function NewProjectPage() {
  const { in: given } = useSearch({ from: '/inside/new-project' })
  const parents = useParents(given)
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const [name, setName] = useState('')
  const [parent, setParent] = useState(given)
  const [auth, setAuth] = useState<Access>('none')
  const remotes = useAccountSources()
  /** Of which the repository is chosen; none where its address is typed. */
  const [from, setFrom] = useState<string>()
  const remote = remotes.find(({ id }) => id === (from ?? remotes[0]?.id))
  const [repository, setRepository] = useState<RemoteRepository>()
  usePageTitle('New project')
  const parentRef = parent ?? parents[0]![0]
  const create = useMutation({
    mutationFn: (form: FormData) =>
      call('createProject', {
        body: {
          name,
          parentRef,
          visibility: form.get('private') === 'on' ? 'private' : 'public',
          ...runFlagsOf(form, parentRef),
          ...(remote !== undefined && repository !== undefined
            ? { source: { kind: 'remotesource', remoteSourceRef: remote.id, repositoryId: repository.id } as const }
            : gitSourceOf(form, auth)),
        },
      }),
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
  return (
    <Page title="New project">
      <Panel>
        <ActionForm
          onSubmit={(form) => create.mutate(new FormData(form))}
          state={create}
          action={create.isPending ? 'Making…' : 'Make the project'}
          isReady={name !== '' && problem === undefined && (remote === undefined || repository !== undefined)}
        >
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
              returnTo="/new-project"
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
            value={parentRef}
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
                onChange={({ target }) => setAuth(target.value as Access)}
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
          <RunFlags path={parentRef} />
        </ActionForm>
      </Panel>
    </Page>
  )
}
