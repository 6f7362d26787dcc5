import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialogs.tsx'
import { CheckField } from '../../ui/field.tsx'
import { ActionForm } from '../../ui/form-parts.tsx'
import { Empty, Loaded, Problem } from '../../ui/load-state.tsx'
import { Page, Panel } from '../../ui/page.tsx'
import { NameField } from '../projects/name-field.tsx'
import { nameProblem } from '../projects/name-rule.ts'
import { allPages, myOrganizationsQuery, pageOf } from '../projects/queries.ts'

export function OrganizationsPage() {
  const organizations = useQuery(myOrganizationsQuery)
  const [isMaking, setMaking] = useState(false)
  usePageTitle('Organizations')
  return (
    <Page
      title="Organizations"
      actions={
        <Button icon="plus" onClick={() => setMaking(true)}>
          New organization
        </Button>
      }
    >
      <Invitations />
      <Panel isPadded={false} title="You belong to">
        <Loaded query={organizations} what="your organizations">
          {(data) =>
            data.length === 0 ? (
              <Empty title="None yet">An organization owns projects together with other people.</Empty>
            ) : (
              <ul className="rows">
                {data.map(({ organization, role }) => (
                  <li key={organization.id} className="row">
                    <Link
                      to="/organizations/$organization"
                      params={{ organization: organization.name }}
                      className="grow"
                    >
                      {organization.name}
                    </Link>
                    <span className="tag">{role}</span>
                    <span className="tag">{organization.visibility}</span>
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </Panel>
      <Dialog isOpen={isMaking} onOpenChange={setMaking} title="New organization">
        <NewOrganization />
      </Dialog>
    </Page>
  )
}

function NewOrganization() {
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const [name, setName] = useState('')
  const [isPrivate, setPrivate] = useState(true)
  const problem = nameProblem(name)
  const create = useMutation({
    mutationFn: () => call('createOrganization', { body: { name, visibility: isPrivate ? 'private' : 'public' } }),
    onSuccess: async () => {
      await queryClient.invalidateQueries({ queryKey: ['organizations'] })
      await navigate({ to: '/organizations/$organization', params: { organization: name } })
    },
  })
  return (
    <ActionForm
      onSubmit={() => create.mutate()}
      state={create}
      action="Make it"
      isInDialog
      isReady={name !== '' && problem === undefined}
    >
      <NameField name={name} onName={setName} />
      <CheckField
        label="Private"
        checked={isPrivate}
        onChange={({ target }) => setPrivate(target.checked)}
        help="Only members know of it."
      />
    </ActionForm>
  )
}

function Invitations() {
  const queryClient = useQueryClient()
  const invitations = useQuery({
    queryKey: ['invitations', 'mine'],
    queryFn: ({ signal }) =>
      allPages((cursor) => call('listCurrentUserInvitations', { query: pageOf(cursor), signal })),
  })
  const answer = useMutation({
    mutationFn: async ({ orgRef, isAccepted }: { readonly orgRef: string; readonly isAccepted: boolean }) => {
      if (isAccepted) await call('acceptInvitation', { params: { orgRef } })
      else await call('rejectInvitation', { params: { orgRef } })
    },
    onSettled: () =>
      Promise.all([
        queryClient.invalidateQueries({ queryKey: ['invitations'] }),
        queryClient.invalidateQueries({ queryKey: ['organizations'] }),
      ]),
  })
  const items = invitations.data ?? []
  // It may have been taken back meanwhile.
  const problem = answer.error === null ? null : <Problem error={answer.error} />
  if (items.length === 0) return problem
  return (
    <Panel isPadded={false} title="Invitations">
      <ul className="rows">
        {items.map(({ id, organization, role }) => (
          <li key={id} className="row">
            <span className="grow">
              {organization.name} <span className="faint">as {role}</span>
            </span>
            <Button
              kind="primary"
              size="small"
              onClick={() => answer.mutate({ orgRef: organization.id, isAccepted: true })}
            >
              Accept
            </Button>
            <Button size="small" onClick={() => answer.mutate({ orgRef: organization.id, isAccepted: false })}>
              Decline
            </Button>
          </li>
        ))}
      </ul>
      {problem}
    </Panel>
  )
}
