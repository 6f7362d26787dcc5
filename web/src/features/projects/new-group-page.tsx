import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { call } from '../../api/client.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { addressOfPath } from '../../app/project-address.ts'
import { Button } from '../../ui/button.tsx'
import { CheckField, SelectField } from '../../ui/field.tsx'
import { Problem } from '../../ui/load-state.tsx'
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
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (problem === undefined) create.mutate()
  }
  return (
    <Page title="New group">
      <Panel>
        <form className="form" onSubmit={submit}>
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
          {create.error === null ? null : <Problem error={create.error} />}
          <div className="form-actions">
            <Button
              type="submit"
              kind="primary"
              isBusy={create.isPending}
              disabled={name === '' || problem !== undefined}
            >
              Make the group
            </Button>
          </div>
        </form>
      </Panel>
    </Page>
  )
}
