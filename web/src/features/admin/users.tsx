import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import { useUserName } from '../../api/session.ts'
import { Button } from '../../ui/button.tsx'
import { Confirm, Dialog } from '../../ui/dialogs.tsx'
import { CheckField, TextField } from '../../ui/field.tsx'
import { ActionForm } from '../../ui/form-parts.tsx'
import { Loaded } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'
import { Ago } from '../../ui/time.tsx'
import { NewPasswordField } from '../session/new-password-field.tsx'

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
  const [forgetful, setForgetful] = useState<string>()
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
                      {user.name === me ? null : (
                        <Button
                          size="small"
                          aria-label={`New password for ${user.name}`}
                          onClick={() => setForgetful(user.name)}
                        >
                          New password
                        </Button>
                      )}
                      <Confirm
                        trigger={
                          <Button size="small" aria-label={roleChange(user)}>
                            {user.isAdmin ? 'Make user' : 'Make administrator'}
                          </Button>
                        }
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
                            <Button size="small" kind="danger" aria-label={`Remove ${user.name}`}>
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
      <Dialog
        isOpen={forgetful !== undefined}
        onOpenChange={() => setForgetful(undefined)}
        title={`New password for ${forgetful ?? ''}`}
      >
        {forgetful === undefined ? null : <NewPassword userName={forgetful} onDone={() => setForgetful(undefined)} />}
      </Dialog>
    </>
  )
}

/** Begins with the words on the button, as what is heard should. */
const roleChange = ({ name, isAdmin }: { readonly name: string; readonly isAdmin: boolean }) =>
  isAdmin ? `Make user of ${name}` : `Make administrator of ${name}`

function NewPassword({ userName, onDone }: { readonly userName: string; readonly onDone: () => void }) {
  const save = useMutation({
    mutationFn: (form: FormData) =>
      call('setPassword', { params: { userRef: userName }, body: { newPassword: String(form.get('password')) } }),
    onSuccess: onDone,
  })
  return (
    <ActionForm onSubmit={(form) => save.mutate(new FormData(form))} state={save} action="Set it" isInDialog>
      <p className="soft">For somebody who forgot it. All sessions of {userName} end; tokens stay.</p>
      <NewPasswordField name="password" more="; they can change it." />
    </ActionForm>
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
  return (
    <Panel title="New user">
      <ActionForm onSubmit={(form) => create.mutate(form)} state={create} action="Make the user" isPlain>
        <TextField label="Name" name="name" required autoComplete="off" help="Letters, digits and single hyphens." />
        <NewPasswordField name="password" more="; they can change it." />
        <CheckField label="Administrator" name="isAdmin" />
      </ActionForm>
    </Panel>
  )
}
