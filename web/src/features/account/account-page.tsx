import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { call } from '../../api/client.ts'
import { useUserName } from '../../api/session.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { Button } from '../../ui/button.tsx'
import { Confirm, RemoveButton } from '../../ui/dialogs.tsx'
import { SelectField, TextField } from '../../ui/field.tsx'
import { Empty, Loaded, Problem } from '../../ui/load-state.tsx'
import { Page, Panel } from '../../ui/page.tsx'
import { ShownOnce } from '../../ui/shown-once.tsx'
import { Table } from '../../ui/table.tsx'
import { Ago } from '../../ui/time.tsx'
import { LinkedAccounts } from './linked-accounts.tsx'

const sections = [
  ['tokens', 'Tokens'],
  ['password', 'Password'],
  ['sessions', 'Sessions'],
  ['accounts', 'Linked accounts'],
] as const

export function AccountPage() {
  const { section } = useParams({ from: '/inside/account/$section' })
  const name = useUserName()
  usePageTitle('Account')
  return (
    <Page title={name}>
      <nav className="tabs" aria-label="Account">
        {sections.map(([id, words]) => (
          <Link key={id} to="/account/$section" params={{ section: id }}>
            {words}
          </Link>
        ))}
      </nav>
      {section === 'password' ? (
        <Password userName={name} />
      ) : section === 'sessions' ? (
        <Sessions />
      ) : section === 'accounts' ? (
        <LinkedAccounts userName={name} />
      ) : (
        <Tokens userName={name} />
      )}
    </Page>
  )
}

const dayMs = 24 * 60 * 60 * 1000

function Tokens({ userName }: { readonly userName: string }) {
  const queryClient = useQueryClient()
  const params = { userRef: userName }
  const tokens = useQuery({ queryKey: ['tokens', userName], queryFn: () => call('listTokens', { params }) })
  const [made, setMade] = useState<string>()
  const create = useMutation({
    mutationFn: (form: FormData) => {
      const days = Number(form.get('days'))
      return call('createToken', {
        params,
        body: {
          name: String(form.get('name')),
          scope: String(form.get('scope')) as 'read' | 'run' | 'admin',
          ...(days > 0 ? { expiresAt: new Date(Date.now() + days * dayMs).toISOString() } : {}),
        },
      })
    },
    onSuccess: ({ value }) => {
      setMade(value)
      void queryClient.invalidateQueries({ queryKey: ['tokens', userName] })
    },
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    create.mutate(new FormData(event.currentTarget))
  }
  return (
    <>
      <Panel title="New token">
        <form className="form" onSubmit={submit}>
          <TextField
            label="Name"
            name="name"
            required
            maxLength={100}
            autoComplete="off"
            help="What it is for: you see it in the list."
          />
          <SelectField
            label="It may"
            name="scope"
            defaultValue="read"
            options={[
              ['read', 'read what you may read'],
              ['run', 'also start, restart, stop and approve runs'],
              ['admin', 'do all that you may'],
            ]}
          />
          <SelectField
            label="Valid for"
            name="days"
            defaultValue="90"
            options={[
              ['30', '30 days'],
              ['90', '90 days'],
              ['365', 'a year'],
              ['0', 'ever'],
            ]}
          />
          {create.error === null ? null : <Problem error={create.error} />}
          <div className="form-actions">
            <Button type="submit" kind="primary" isBusy={create.isPending}>
              Make the token
            </Button>
          </div>
        </form>
        {made === undefined ? null : <ShownOnce title="Copy it now: it is shown here and never again." secret={made} />}
      </Panel>
      <Panel title="Tokens" isPadded={false}>
        <Loaded query={tokens} what="your tokens">
          {({ items }) =>
            items.length === 0 ? (
              <Empty title="No tokens">The command line and scripts log in with one.</Empty>
            ) : (
              <Table label="Tokens" heads={['Name', 'May', 'Made', 'Last used', 'Ends', '']}>
                {items.map((token) => (
                  <tr key={token.id}>
                    <td>{token.name}</td>
                    <td>
                      {token.scope}
                      {token.projectIds === undefined ? '' : `, ${token.projectIds.length} projects`}
                    </td>
                    <td className="soft">
                      <Ago time={token.createdAt} />
                    </td>
                    <td className="soft">
                      {token.lastUsedAt === undefined ? 'never' : <Ago time={token.lastUsedAt} />}
                    </td>
                    <td className="soft">{token.expiresAt === undefined ? 'never' : <Ago time={token.expiresAt} />}</td>
                    <td className="actions">
                      <RemoveButton
                        name={token.name}
                        verb="Revoke"
                        onConfirm={async () => {
                          await call('deleteToken', { params: { ...params, tokenRef: token.id } })
                          await queryClient.invalidateQueries({ queryKey: ['tokens', userName] })
                        }}
                      >
                        <p>Whatever uses it is refused from now on.</p>
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

function Password({ userName }: { readonly userName: string }) {
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
        <TextField
          label="New"
          name="new"
          type="password"
          autoComplete="new-password"
          required
          minLength={10}
          help="At least 10 characters. Your other sessions end."
        />
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

function Sessions() {
  const queryClient = useQueryClient()
  const sessions = useQuery({ queryKey: ['sessions'], queryFn: () => call('listSessions') })
  return (
    <Panel title="Sessions" isPadded={false}>
      <Loaded query={sessions} what="your sessions">
        {({ items }) => (
          <Table label="Sessions" heads={['Browser', 'Address', 'Begun', '']}>
            {items.map((session) => (
              <tr key={session.id}>
                <td>
                  {session.userAgent ?? 'unknown'} {session.isCurrent ? <span className="tag">this one</span> : null}
                </td>
                <td>{session.address}</td>
                <td className="soft">
                  <Ago time={session.createdAt} />
                </td>
                <td>
                  {session.isCurrent ? null : (
                    <Confirm
                      trigger={
                        <Button size="small" kind="danger">
                          End
                        </Button>
                      }
                      title="End this session?"
                      action="End it"
                      isDangerous
                      onConfirm={async () => {
                        await call('deleteSession', { params: { sessionId: session.id } })
                        await queryClient.invalidateQueries({ queryKey: ['sessions'] })
                      }}
                    >
                      <p>That browser has to log in again.</p>
                    </Confirm>
                  )}
                </td>
              </tr>
            ))}
          </Table>
        )}
      </Loaded>
    </Panel>
  )
}
