// Accounts at providers that belong to one: what they are for, what is wrong with them, and linking more.

import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useSearch } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { ApiError } from '../../../../src/contract/client.ts'
import type { ResponseOf } from '../../../../src/contract/route.ts'
import type { ApiRoutes } from '../../../../src/contract/routes.ts'
import { call } from '../../api/client.ts'
import { Button } from '../../ui/button.tsx'
import { Confirm, Dialog } from '../../ui/dialogs.tsx'
import { TextField } from '../../ui/field.tsx'
import { Empty, Loaded, Problem } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'
import { Ago } from '../../ui/time.tsx'
import { RemoteProblem, type RemoteSource, useAccountSources, useRemoteSources } from '../session/remote-logins.tsx'
import { linkedAccountsQuery } from './queries.ts'

type Account = ResponseOf<ApiRoutes['listLinkedAccounts']>['items'][number]

export function LinkedAccounts({ userName }: { readonly userName: string }) {
  const { error, remoteSource } = useSearch({ from: '/inside/account/$section' })
  const accounts = useQuery(linkedAccountsQuery(userName))
  const sources = useRemoteSources()
  const { link, dialog, problem } = useLinking(userName)
  const linkable = useAccountSources()
  const sourceOf = (id: string) => sources.data?.items.find((source) => source.id === id)
  return (
    <>
      {error === undefined ? null : <RemoteProblem code={error} source={remoteSource} />}
      {problem === undefined ? null : <Problem error={problem} />}
      {dialog}
      <Panel
        title="Linked accounts"
        isPadded={false}
        actions={
          linkable.length === 0 ? null : (
            <div className="row">
              {linkable.map((source) => (
                <Button key={source.id} size="small" icon="plus" onClick={() => link(source)}>
                  Link {source.name}
                </Button>
              ))}
            </div>
          )
        }
      >
        <p className="panel-body soft">
          With them you log in, choose repositories for projects, and this server reads them, sets up webhooks and
          reports what became of commits.
        </p>
        <Loaded query={accounts} what="your linked accounts">
          {({ items }) =>
            items.length === 0 ? (
              <Empty title="No linked accounts">
                {linkable.length === 0 ? 'An administrator can add GitHub, GitLab, Gitea or Forgejo.' : null}
              </Empty>
            ) : (
              <Table label="Linked accounts" heads={['Account', 'At', 'State', '']}>
                {items.map((account) => (
                  <AccountRow
                    key={account.id}
                    account={account}
                    source={sourceOf(account.remoteSourceId)}
                    userName={userName}
                    onLink={link}
                  />
                ))}
              </Table>
            )
          }
        </Loaded>
      </Panel>
    </>
  )
}

function AccountRow({
  account,
  source,
  userName,
  onLink,
}: {
  readonly account: Account
  readonly source: RemoteSource | undefined
  readonly userName: string
  readonly onLink: (source: RemoteSource) => void
}) {
  const queryClient = useQueryClient()
  const [inUse, setInUse] = useState<string>()
  const forget = async (isForced: boolean) => {
    try {
      await call('deleteLinkedAccount', {
        params: { userRef: userName, linkedAccountId: account.id },
        ...(isForced ? { query: { force: true } } : {}),
      })
    } catch (error) {
      if (error instanceof ApiError && error.code === 'linked_account_in_use') setInUse(error.message)
      throw error
    }
    await queryClient.invalidateQueries({ queryKey: ['linked-accounts', userName] })
  }
  return (
    <tr>
      <td>{account.remoteUserName}</td>
      <td>{source?.name ?? account.remoteSourceId}</td>
      <td>
        {account.trouble === undefined ? (
          <span className="soft">works</span>
        ) : (
          <span className="state" data-state="failed">
            {account.trouble.message}, <Ago time={account.trouble.since} />
          </span>
        )}
      </td>
      <td className="actions">
        {account.trouble === undefined || source === undefined ? null : (
          <Button size="small" kind="primary" onClick={() => onLink(source)}>
            Link again
          </Button>
        )}
        <Confirm
          trigger={
            <Button size="small" kind="danger" aria-label={`Forget ${account.remoteUserName}`}>
              Forget
            </Button>
          }
          title={`Forget the account ${account.remoteUserName}?`}
          action={inUse === undefined ? 'Forget it' : 'Forget it all the same'}
          isDangerous
          onOpenChange={(isOpen) => (isOpen ? setInUse(undefined) : undefined)}
          onConfirm={() => forget(inUse !== undefined)}
        >
          <p>Projects that use it cannot reach their repository any more, and nobody logs in with it.</p>
        </Confirm>
      </td>
    </tr>
  )
}

/** `link` goes to the provider's pages, or asks for name and password where it has none. */
export function useLinking(userName: string, returnTo = '/account/accounts') {
  const queryClient = useQueryClient()
  const [asked, setAsked] = useState<RemoteSource>()
  const [problem, setProblem] = useState<unknown>()
  const link = async (source: RemoteSource) => {
    setProblem(undefined)
    if (source.authType === 'password') {
      setAsked(source)
      return
    }
    try {
      const body = { remoteSourceRef: source.id, returnTo }
      location.assign((await call('beginOAuth2Link', { body })).authorizeUrl)
    } catch (error) {
      setProblem(error)
    }
  }
  const done = async () => {
    setAsked(undefined)
    await queryClient.invalidateQueries({ queryKey: ['linked-accounts', userName] })
    await queryClient.invalidateQueries({ queryKey: ['remote-repositories'] })
  }
  const dialog =
    asked === undefined ? null : (
      <Dialog isOpen onOpenChange={() => setAsked(undefined)} title={`Link your account at ${asked.name}`}>
        <PasswordLink source={asked} onDone={done} />
      </Dialog>
    )
  return { link: (source: RemoteSource) => void link(source), dialog, problem }
}

function PasswordLink({ source, onDone }: { readonly source: RemoteSource; readonly onDone: () => Promise<void> }) {
  const [error, setError] = useState<unknown>()
  const [isBusy, setBusy] = useState(false)
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    setBusy(true)
    setError(undefined)
    try {
      const [username, password] = [String(form.get('username')), String(form.get('password'))]
      await call('linkAccount', { body: { remoteSourceRef: source.id, username, password } })
      await onDone()
    } catch (thrown) {
      setError(thrown)
      setBusy(false)
    }
  }
  return (
    <form className="form" onSubmit={(event) => void submit(event)}>
      <p className="soft">The password is used once, to make a token there; it is not kept.</p>
      <TextField label="Name there" name="username" required autoFocus autoComplete="off" />
      <TextField label="Password there" name="password" type="password" required autoComplete="off" />
      {error === undefined ? null : <Problem error={error} />}
      <div className="form-actions">
        <Button type="submit" kind="primary" isBusy={isBusy}>
          Link it
        </Button>
      </div>
    </form>
  )
}
