import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { addressOfPath } from '../../app/project-address.ts'
import { CheckField, SelectField } from '../../ui/field.tsx'
import { ActionForm } from '../../ui/form-parts.tsx'
import { Page, Panel } from '../../ui/page.tsx'
import { NameField } from './name-field.tsx'
import { nameProblem } from './name-rule.ts'
import { useParents } from './parents.ts'

export function NewGroupPage() {
  const { in: given } = useSearch({ from: '/inside/new-group' })
  const parents = useParents(given)
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const [name, setName] = useState('')
  const [parent, setParent] = useState(given)
  const [isPrivate, setPrivate] = useState(true)
  usePageTitle('New group')
  const create = useMutation({
    mutationFn: () =>
      call('createProjectGroup', {
        body: { name, parentRef: parent ?? parents[0]![0], visibility: isPrivate ? 'private' : 'public' },
      }),
    onSuccess: async ({ path }) => {
      await queryClient.invalidateQueries({ queryKey: ['group-content'] })
      await navigate({ to: '/groups/$group', params: { group: addressOfPath(path) } })
    },
  })
  const problem = nameProblem(name)
  return (
    <Page title="New group">
      <Panel>
        <ActionForm
          onSubmit={() => create.mutate()}
          state={create}
          action="Make the group"
          isReady={name !== '' && problem === undefined}
        >
          <p className="soft">
            A group holds projects and other groups; its secrets and variables are there for all of them.
          </p>
          <NameField name={name} onName={setName} autoFocus />
          <SelectField
            label="In"
            options={parents}
            value={parent ?? parents[0]?.[0] ?? ''}
            onChange={({ target }) => setParent(target.value)}
          />
          <CheckField
            label="Private"
            checked={isPrivate}
            onChange={({ target }) => setPrivate(target.checked)}
            help="What is in it is private as well."
          />
        </ActionForm>
      </Panel>
    </Page>
  )
}
