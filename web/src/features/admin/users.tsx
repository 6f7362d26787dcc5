import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query'
import type { FormEvent } from 'react'
import { call } from '../../api/client.ts'
import { useUserName } from '../../api/session.ts'
import { Button } from '../../ui/button.tsx'
import { Confirm } from '../../ui/dialogs.tsx'
import { CheckField, TextField } from '../../ui/field.tsx'
import { Loaded, Problem } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'
import { Ago } from '../../ui/time.tsx'

export function Users() {
  const queryClient = useQueryClient()
  const me = useUserName()
  const users = useInfiniteQuery({
    queryKey: ['users'],
    queryFn: ({ pageParam }) =>
      call('listUsers', { query: { limit: 50, ...(pageParam === undefined ? {} : { cursor: pageParam }) } }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ nextCursor }) => nextCursor,
  })
  const refresh = () => queryClient.invalidateQueries({ queryKey: ['users'] })
  return (
    <>
      <Panel isPadded={false} title="Users">
        <Loaded query={users} what="the users">
          {({ pages }) => (
            <Table label="Users" heads={['Name', 'Role', 'Since', '']}>
              {pages.flatMap(({ items }) =>
                items.map((user) => (
                  <tr key={user.id}>
                    <td>{user.name}</td>
                    <td>{user.isAdmin ? 'administrator' : 'user'}</td>
                    <td className="soft">
                      <Ago time={user.createdAt} />
                    </td>
                    <td className="actions">
                      <Confirm
                        trigger={<Button size="small">{user.isAdmin ? 'Make user' : 'Make administrator'}</Button>}
                        title={
                          user.isAdmin
                            ? `Take administration from ${user.name}?`
                            : `Make ${user.name} an administrator?`
                        }
                        action="Change it"
                        onConfirm={async () => {
                          await call('updateUser', {
                            params: { userRef: user.id },
                            body: { isAdmin: !user.isAdmin },
                            ifMatch: user.version,
                          })
                          await refresh()
                        }}
                      >
                        <p>Administrators may do everything here. The last one stays.</p>
                      </Confirm>
                      {user.name === me ? null : (
                        <Confirm
                          trigger={
                            <Button size="small" kind="danger">
                              Remove
                            </Button>
                          }
                          title={`Remove ${user.name}?`}
                          action="Remove for good"
                          isDangerous
                          typed={user.name}
                          onConfirm={async () => {
                            await call('deleteUser', { params: { userRef: user.id }, ifMatch: user.version })
                            await refresh()
                          }}
                        >
                          <p>The user goes with all own projects, runs, tokens and sessions.</p>
                        </Confirm>
                      )}
                    </td>
                  </tr>
                )),
              )}
            </Table>
          )}
        </Loaded>
        {users.hasNextPage ? (
          <div className="panel-body">
            <Button onClick={() => void users.fetchNextPage()} isBusy={users.isFetchingNextPage}>
              More
            </Button>
          </div>
        ) : null}
      </Panel>
      <NewUser onDone={refresh} />
    </>
  )
}

function NewUser({ onDone }: { readonly onDone: () => Promise<unknown> }) {
  const create = useMutation({
    mutationFn: async (form: HTMLFormElement) => {
      const data = new FormData(form)
      await call('createUser', {
        body: {
          name: String(data.get('name')).trim(),
          password: String(data.get('password')),
          isAdmin: data.get('isAdmin') === 'on',
        },
      })
      form.reset()
    },
    onSuccess: onDone,
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    create.mutate(event.currentTarget)
  }
  return (
    <Panel title="New user">
      <form className="form" onSubmit={submit}>
        <TextField label="Name" name="name" required autoComplete="off" help="Letters, digits and single hyphens." />
        <TextField
          label="Password"
          name="password"
          type="password"
          required
          minLength={10}
          autoComplete="new-password"
          help="At least 10 characters; they can change it."
        />
        <CheckField label="Administrator" name="isAdmin" />
        {create.error === null ? null : <Problem error={create.error} />}
        <div className="form-actions">
          <Button type="submit" isBusy={create.isPending}>
            Make the user
          </Button>
        </div>
      </form>
    </Panel>
  )
}
