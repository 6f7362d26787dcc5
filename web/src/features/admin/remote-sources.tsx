// Where repositories and accounts can come from: GitHub, GitLab, Gitea, Forgejo.

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { BodyOf, ResponseOf } from '../../../../src/contract/route.ts'
import type { ApiRoutes } from '../../../../src/contract/routes.ts'
import { call } from '../../api/client.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog, RemoveButton } from '../../ui/dialogs.tsx'
import { CheckField, SelectField, TextArea, TextField } from '../../ui/field.tsx'
import { ActionForm } from '../../ui/form-parts.tsx'
import { Empty, Loaded } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'
import { nameProblem } from '../projects/name-rule.ts'
import { useRemoteSources } from '../session/remote-logins.tsx'

type NewSource = BodyOf<ApiRoutes['createRemoteSource']>
type Detail = Extract<ResponseOf<ApiRoutes['getRemoteSource']>, { readonly apiUrl: string }>
const typeWords = { github: 'GitHub', gitlab: 'GitLab', gitea: 'Gitea', forgejo: 'Forgejo', git: 'Git' } as const
const knownUrls: Readonly<Record<string, string>> = { github: 'https://api.github.com', gitlab: 'https://gitlab.com' }
const authWords = { oauth2: 'their pages', password: 'name and password', none: 'none' } as const

export function RemoteSources() {
  const queryClient = useQueryClient()
  const sources = useRemoteSources()
  const [edited, setEdited] = useState<string>()
  const refresh = () => queryClient.invalidateQueries({ queryKey: ['remote-sources'] })
  return (
    <>
      {edited === undefined ? null : (
        <Dialog
          isOpen
          onOpenChange={() => setEdited(undefined)}
          title={edited === '' ? 'New remote source' : 'Remote source'}
        >
          <SourceDialog
            id={edited}
            onDone={async () => {
              setEdited(undefined)
              await refresh()
            }}
          />
        </Dialog>
      )}
      <Panel
        isPadded={false}
        title="Remote sources"
        actions={
          <Button icon="plus" size="small" onClick={() => setEdited('')}>
            New remote source
          </Button>
        }
      >
        <Loaded query={sources} what="the remote sources">
          {({ items }) =>
            items.length === 0 ? (
              <Empty title="None yet">
                Projects can use any git server without one. With GitHub, GitLab, Gitea or Forgejo people log in and
                choose repositories.
              </Empty>
            ) : (
              <Table label="Remote sources" heads={['Name', 'Type', 'Accounts by', 'Login', 'Registration', '']}>
                {items.map((source) => (
                  <tr key={source.id}>
                    <td>{source.name}</td>
                    <td>{typeWords[source.type]}</td>
                    <td className="soft">{authWords[source.authType]}</td>
                    <td className="soft">{source.loginEnabled ? 'on' : 'off'}</td>
                    <td className="soft">{source.registrationEnabled ? 'on' : 'off'}</td>
                    <td className="actions">
                      <Button size="small" onClick={() => setEdited(source.id)} aria-label={`Change ${source.name}`}>
                        Change
                      </Button>
                      <RemoveButton
                        name={source.name}
                        onConfirm={async () => {
                          await call('deleteRemoteSource', { params: { remoteSourceRef: source.id } })
                          await refresh()
                        }}
                      >
                        <p>It goes only when no account and no project uses it.</p>
                      </RemoveButton>
                    </td>
                  </tr>
                ))}
              </Table>
            )
          }
        </Loaded>
      </Panel>
    </>
  )
}

function SourceDialog({ id, onDone }: { readonly id: string; readonly onDone: () => Promise<void> }) {
  const found = useQuery({
    queryKey: ['remote-source', id],
    queryFn: ({ signal }) => call('getRemoteSource', { params: { remoteSourceRef: id }, signal }),
    enabled: id !== '',
    gcTime: 0,
  })
  if (id === '') return <SourceForm onDone={onDone} />
  return (
    <Loaded query={found} what="the remote source">
      {(data) => <SourceForm source={data as Detail} onDone={onDone} />}
    </Loaded>
  )
}

function SourceForm({ source, onDone }: { readonly source?: Detail; readonly onDone: () => Promise<void> }) {
  const [name, setName] = useState(source?.name ?? '')
  const [type, setType] = useState<NewSource['type']>(source?.type ?? 'github')
  const [auth, setAuth] = useState<NewSource['authType']>(source?.authType ?? 'oauth2')
  const [url, setUrl] = useState(source?.apiUrl ?? knownUrls.github!)
  const mayPassword = type === 'gitea' || type === 'forgejo'
  const problem = name === '' ? undefined : nameProblem(name)
  const save = useMutation({
    mutationFn: async (form: FormData) => {
      const given = (key: string) => String(form.get(key) ?? '').trim()
      const optional = (key: string) => (given(key) === '' ? {} : { [key]: given(key) })
      const details = {
        name,
        apiUrl: url.trim(),
        skipVerify: form.get('skipVerify') === 'on',
        skipSshHostKeyCheck: form.get('skipSshHostKeyCheck') === 'on',
        loginEnabled: form.get('loginEnabled') === 'on',
        registrationEnabled: form.get('registrationEnabled') === 'on',
        ...optional('oauth2ClientId'),
        ...optional('oauth2ClientSecret'),
        ...optional('sshHostKey'),
      }
      if (source === undefined) await call('createRemoteSource', { body: { ...details, type, authType: auth } })
      else
        await call('updateRemoteSource', {
          params: { remoteSourceRef: source.id },
          body: details,
          ifMatch: source.version,
        })
      await onDone()
    },
  })
  const chooseType = (to: NewSource['type']) => {
    setType(to)
    if (url === '' || Object.values(knownUrls).includes(url)) setUrl(knownUrls[to] ?? '')
    if (to === 'github' || to === 'gitlab') setAuth('oauth2')
  }
  return (
    <ActionForm
      onSubmit={(form) => save.mutate(new FormData(form))}
      state={save}
      action={source === undefined ? 'Make it' : 'Save'}
      isReady={name !== '' && problem === undefined}
    >
      {source === undefined ? (
        <SelectField
          label="Type"
          value={type}
          onChange={({ target }) => chooseType(target.value as NewSource['type'])}
          options={(['github', 'gitlab', 'gitea', 'forgejo'] as const).map((one) => [one, typeWords[one]] as const)}
        />
      ) : null}
      <TextField
        label="Name"
        value={name}
        onChange={({ target }) => setName(target.value)}
        problem={problem}
        required
        autoComplete="off"
        help="People see it on the login page."
      />
      <TextField
        label="Address of its API"
        value={url}
        onChange={({ target }) => setUrl(target.value)}
        type="url"
        required
        autoComplete="off"
      />
      {source === undefined && mayPassword ? (
        <SelectField
          label="Accounts are linked by"
          value={auth}
          onChange={({ target }) => setAuth(target.value as NewSource['authType'])}
          options={[
            ['oauth2', 'its pages (OAuth 2)'],
            ['password', 'name and password'],
          ]}
        />
      ) : null}
      {auth === 'oauth2' ? (
        <>
          <TextField
            label="Client id"
            name="oauth2ClientId"
            defaultValue={source?.oauth2ClientId ?? ''}
            required
            autoComplete="off"
            help={`Of an OAuth application there, whose redirect address is ${location.origin}/oauth2/callback`}
          />
          <TextField
            label="Client secret"
            name="oauth2ClientSecret"
            type="password"
            autoComplete="off"
            required={source === undefined}
            help={source === undefined ? undefined : 'Empty keeps the one there is.'}
          />
        </>
      ) : null}
      <CheckField label="People log in with it" name="loginEnabled" defaultChecked={source?.loginEnabled ?? true} />
      <CheckField
        label="Whoever has an account there may register here"
        name="registrationEnabled"
        defaultChecked={source?.registrationEnabled ?? false}
      />
      <details>
        <summary className="soft">Servers of one’s own</summary>
        <div className="form">
          <TextArea
            label="SSH host key"
            name="sshHostKey"
            rows={2}
            defaultValue={source?.sshHostKey ?? ''}
            help="As in known_hosts, when clone steps use SSH."
          />
          <CheckField
            label="Do not check the SSH host key"
            name="skipSshHostKeyCheck"
            defaultChecked={source?.skipSshHostKeyCheck ?? false}
          />
          <CheckField
            label="Do not check the TLS certificate"
            name="skipVerify"
            defaultChecked={source?.skipVerify ?? false}
            help="Whoever is between can read and change everything."
          />
        </div>
      </details>
    </ActionForm>
  )
}
