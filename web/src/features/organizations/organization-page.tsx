import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { ApiError } from '../../../../src/contract/client.ts'
import { call } from '../../api/client.ts'
import type { Invitation, Organization } from '../../api/types.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { addressOfPath } from '../../app/project-address.ts'
import { Button, LinkButton } from '../../ui/button.tsx'
import { Confirm, RemoveButton } from '../../ui/dialogs.tsx'
import { CheckField, SelectField, TextField } from '../../ui/field.tsx'
import { Loaded, Problem, SaveProblem } from '../../ui/load-state.tsx'
import { Page, Panel } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'
import { NameField } from '../projects/name-field.tsx'
import { nameProblem } from '../projects/name-rule.ts'
import { allPages, pageOf } from '../projects/queries.ts'

const roles = [
  ['member', 'Member'],
  ['owner', 'Owner'],
] as const

export function OrganizationPage() {
  const { organization: orgRef } = useParams({ from: '/inside/organizations/$organization' })
  const params = { orgRef }
  const queryClient = useQueryClient()
  const navigate = useNavigate()
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
    <Page
      title={orgRef}
      actions={
        <LinkButton to="/groups/$group" params={{ group: addressOfPath(`org/${orgRef}`) }} icon="folder">
          Projects
        </LinkButton>
      }
    >
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
                              {' '}
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
                <Panel title="Settings">
                  <SettingsForm key={data.version} organization={data} />
                </Panel>
                <Panel title="Remove">
                  <div className="row">
                    <p className="grow soft">The organization goes with all its groups, projects, runs and logs.</p>
                    <Confirm
                      trigger={<Button kind="danger">Remove the organization</Button>}
                      title={`Remove ${data.name}?`}
                      action="Remove it for good"
                      isDangerous
                      typed={data.name}
                      onConfirm={async () => {
                        await call('deleteOrganization', { params, ifMatch: data.version })
                        await navigate({ to: '/organizations' })
                        await queryClient.invalidateQueries()
                      }}
                    >
                      <p>Nothing brings it back.</p>
                    </Confirm>
                  </div>
                </Panel>
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

function SettingsForm({ organization }: { readonly organization: Organization }) {
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const [name, setName] = useState(organization.name)
  const [isPrivate, setPrivate] = useState(organization.visibility === 'private')
  const problem = nameProblem(name)
  const save = useMutation({
    mutationFn: () =>
      call('updateOrganization', {
        params: { orgRef: organization.id },
        ifMatch: organization.version,
        body: { name, visibility: isPrivate ? 'private' : 'public' },
      }),
    onSuccess: async (changed) => {
      // Its name stands in the path of everything in it.
      await navigate({
        to: '/organizations/$organization',
        params: { organization: changed.name },
        replace: true,
      })
      await queryClient.invalidateQueries()
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    save.mutate()
  }
  return (
    <form className="form" onSubmit={submit}>
      <NameField name={name} onName={setName} />
      <CheckField
        label="Private"
        checked={isPrivate}
        onChange={({ target }) => setPrivate(target.checked)}
        help="Only members know of it."
      />
      <SaveProblem
        error={save.error}
        reload={() => void queryClient.invalidateQueries({ queryKey: ['organization'] })}
      />
      <div className="form-actions">
        <Button type="submit" kind="primary" isBusy={save.isPending} disabled={name === '' || problem !== undefined}>
          Save
        </Button>
      </div>
    </form>
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
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    add.mutate(event.currentTarget)
  }
  return (
    <Panel title="Add somebody">
      <form className="form" onSubmit={submit}>
        <TextField label="User" name="user" required autoComplete="off" help="The name they log in with." />
        <SelectField label="As" name="role" options={roles} defaultValue="member" />
        {add.error === null ? null : <Problem error={add.error} />}
        <div className="form-actions">
          <Button type="submit" isBusy={add.isPending}>
            Add
          </Button>
        </div>
      </form>
    </Panel>
  )
}
