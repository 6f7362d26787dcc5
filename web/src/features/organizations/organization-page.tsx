import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { ApiError } from '../../../../src/contract/client.ts'
import { call } from '../../api/client.ts'
import type { Invitation } from '../../api/types.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { addressOfPath } from '../../app/project-address.ts'
import { Button } from '../../ui/button.tsx'
import { Confirm, RemoveButton } from '../../ui/dialogs.tsx'
import { SelectField, TextField } from '../../ui/field.tsx'
import { ActionForm } from '../../ui/form-parts.tsx'
import { Loaded, Problem } from '../../ui/load-state.tsx'
import { Page, Panel, PathCrumbs } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'
import { GroupTabs } from '../projects/group-page.tsx'
import { allPages, pageOf } from '../projects/queries.ts'
import { OrganizationSettings } from './organization-settings.tsx'

const roles = [
  ['member', 'Member'],
  ['owner', 'Owner'],
] as const

export function OrganizationPage() {
  const { organization: orgRef } = useParams({ from: '/inside/organizations/$organization' })
  const params = { orgRef }
  const queryClient = useQueryClient()
  const organization = useQuery({
    queryKey: ['organization', orgRef],
    queryFn: () => call('getOrganization', { params }),
  })
  const mayChange = organization.data?.may?.change
  const members = useQuery({
    queryKey: ['members', orgRef],
    queryFn: ({ signal }) => allPages((cursor) => call('listMembers', { params, query: pageOf(cursor), signal })),
  })
  const invitations = useQuery({
    queryKey: ['invitations', orgRef],
    queryFn: ({ signal }) => allPages((cursor) => call('listInvitations', { params, query: pageOf(cursor), signal })),
    retry: false,
    enabled: mayChange === true,
  })
  const refresh = () =>
    Promise.all([
      queryClient.invalidateQueries({ queryKey: ['members', orgRef] }),
      queryClient.invalidateQueries({ queryKey: ['invitations', orgRef] }),
    ])
  usePageTitle(orgRef)
  return (
    <Page above={<PathCrumbs path={`org/${orgRef}`} />} title={orgRef}>
      <GroupTabs group={addressOfPath(`org/${orgRef}`)} mayChange={mayChange} />
      <Loaded query={organization} what="this organization">
        {(data) => (
          <>
            <Panel isPadded={false} title="Members">
              <Loaded query={members} what="the members">
                {(items) => (
                  <Table label="Members" heads={mayChange === true ? ['Name', 'Role', ''] : ['Name', 'Role']}>
                    {items.map(({ id, user, role, version }) => (
                      <tr key={id}>
                        <td>{user.name}</td>
                        <td>{role}</td>
                        {mayChange === true ? (
                          <td className="actions">
                            <Confirm
                              trigger={<Button size="small">{role === 'owner' ? 'Make member' : 'Make owner'}</Button>}
                              title={`Make ${user.name} ${role === 'owner' ? 'a member' : 'an owner'}?`}
                              action="Change the role"
                              onConfirm={async () => {
                                await call('setMember', {
                                  params: { ...params, userRef: user.id },
                                  body: { role: role === 'owner' ? 'member' : 'owner' },
                                  ifMatch: version,
                                })
                                await refresh()
                              }}
                            >
                              <p>
                                {role === 'owner'
                                  ? 'Members read what is private and, where projects allow it, act on runs.'
                                  : 'Owners change everything here: projects, secrets, members.'}
                              </p>
                            </Confirm>
                            <RemoveButton
                              name={user.name}
                              title={`Remove ${user.name} from ${data.name}?`}
                              onConfirm={async () => {
                                await call('removeMember', {
                                  params: { ...params, userRef: user.id },
                                  ifMatch: version,
                                })
                                await refresh()
                              }}
                            >
                              <p>What is private here is not theirs to see any more.</p>
                            </RemoveButton>
                          </td>
                        ) : null}
                      </tr>
                    ))}
                  </Table>
                )}
              </Loaded>
            </Panel>
            <Invited orgRef={orgRef} invitations={invitations.data ?? []} onDone={refresh} />
            {mayChange === true ? (
              <>
                <AddMember orgRef={orgRef} onDone={refresh} />
                <OrganizationSettings organization={data} />
              </>
            ) : null}
          </>
        )}
      </Loaded>
    </Page>
  )
}

function Invited({
  orgRef,
  invitations,
  onDone,
}: {
  readonly orgRef: string
  readonly invitations: readonly Invitation[]
  readonly onDone: () => Promise<unknown>
}) {
  const takeBack = useMutation({
    mutationFn: (userRef: string) => call('deleteInvitation', { params: { orgRef, userRef } }),
    onSettled: onDone,
  })
  // It may have been answered meanwhile.
  const problem = takeBack.error === null ? null : <Problem error={takeBack.error} />
  if (invitations.length === 0) return problem
  return (
    <Panel isPadded={false} title="Invited">
      <ul className="rows">
        {invitations.map(({ id, user, role }) => (
          <li key={id} className="row">
            <span className="grow">
              {user.name} <span className="faint">as {role}</span>
            </span>
            <Button size="small" aria-label={`Take back from ${user.name}`} onClick={() => takeBack.mutate(user.id)}>
              Take back
            </Button>
          </li>
        ))}
      </ul>
      {problem}
    </Panel>
  )
}

function AddMember({ orgRef, onDone }: { readonly orgRef: string; readonly onDone: () => Promise<unknown> }) {
  const add = useMutation({
    mutationFn: async (form: HTMLFormElement) => {
      const data = new FormData(form)
      const userRef = String(data.get('user')).trim()
      const role = String(data.get('role')) as 'owner' | 'member'
      try {
        await call('setMember', { params: { orgRef, userRef }, body: { role } })
      } catch (error) {
        // Where members are invited, adding one is refused.
        if (!(error instanceof ApiError) || error.code !== 'member_adding_refused') throw error
        await call('createInvitation', { params: { orgRef }, body: { userRef, role } })
      }
      form.reset()
    },
    onSuccess: onDone,
  })
  return (
    <Panel title="Add somebody">
      <ActionForm onSubmit={(form) => add.mutate(form)} state={add} action="Add" isPlain>
        <TextField label="User" name="user" required autoComplete="off" help="The name they log in with." />
        <SelectField label="As" name="role" options={roles} defaultValue="member" />
      </ActionForm>
    </Panel>
  )
}
