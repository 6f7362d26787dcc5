import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { call } from '../../api/client.ts'
import type { ProjectGroup } from '../../api/types.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { addressOfPath, pathOfAddress } from '../../app/project-address.ts'
import { Button } from '../../ui/button.tsx'
import { Confirm } from '../../ui/dialogs.tsx'
import { CheckField } from '../../ui/field.tsx'
import { Empty, Loaded, SaveProblem } from '../../ui/load-state.tsx'
import { Page, Panel, PathCrumbs } from '../../ui/page.tsx'
import { GroupTabs } from '../projects/group-page.tsx'
import { NameField } from '../projects/name-field.tsx'
import { nameProblem } from '../projects/name-rule.ts'
import { groupQuery } from '../projects/queries.ts'
import { SecretsSection } from './secrets-section.tsx'
import { VariablesSection } from './variables-section.tsx'

export function GroupSettingsPage() {
  const { group: address, section } = useParams({ from: '/inside/groups/$group/settings/$section' })
  const path = pathOfAddress(address)
  const group = useQuery(groupQuery(path))
  const mayChange = group.data?.may?.change
  usePageTitle('Settings', path.split('/').at(-1))
  return (
    <Page above={<PathCrumbs path={path} />} title={path.split('/').at(-1)}>
      <GroupTabs group={address} mayChange={mayChange} />
      <Loaded query={group} what="this group">
        {(data) => {
          const place = { kind: 'group', ref: data.id, path: data.path, isReadOnly: mayChange !== true } as const
          if (section === 'secrets') return <SecretsSection place={place} />
          if (section === 'variables') return <VariablesSection place={place} />
          if (mayChange !== true) return <Empty title="Only its owners change this group" />
          return <General key={data.version} group={data} />
        }}
      </Loaded>
    </Page>
  )
}

function General({ group }: { readonly group: ProjectGroup }) {
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const isRoot = group.name === ''
  const [name, setName] = useState(group.name)
  const [isPrivate, setPrivate] = useState(group.visibility === 'private')
  const problem = isRoot ? undefined : nameProblem(name)
  const save = useMutation({
    mutationFn: () =>
      call('updateProjectGroup', {
        params: { projectGroupRef: group.id },
        ifMatch: group.version,
        body: { visibility: isPrivate ? 'private' : 'public', ...(isRoot ? {} : { name }) },
      }),
    onSuccess: async ({ path }) => {
      await queryClient.invalidateQueries({ queryKey: ['group'] })
      void queryClient.invalidateQueries({ queryKey: ['group-content'] })
      if (path !== group.path)
        await navigate({
          to: '/groups/$group/settings/$section',
          params: { group: addressOfPath(path), section: 'general' },
          replace: true,
        })
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    save.mutate()
  }
  return (
    <>
      <Panel title="Settings">
        <form className="form" onSubmit={submit}>
          {isRoot ? null : <NameField name={name} onName={setName} />}
          <CheckField
            label="Private"
            checked={isPrivate}
            onChange={({ target }) => setPrivate(target.checked)}
            help="What is in it is private as well."
          />
          <SaveProblem error={save.error} reload={() => void queryClient.invalidateQueries({ queryKey: ['group'] })} />
          <div className="form-actions">
            <Button type="submit" kind="primary" isBusy={save.isPending} disabled={problem !== undefined}>
              Save
            </Button>
            <span role="status" className="soft">
              {save.isSuccess ? 'Saved.' : ''}
            </span>
          </div>
        </form>
      </Panel>
      {isRoot ? null : (
        <Panel title="Remove">
          <div className="row">
            <p className="grow soft">The group goes with all groups and projects in it.</p>
            <Confirm
              trigger={<Button kind="danger">Remove the group</Button>}
              title={`Remove ${group.path}?`}
              action="Remove it for good"
              isDangerous
              typed={group.name}
              onConfirm={async () => {
                await call('deleteProjectGroup', { params: { projectGroupRef: group.id }, ifMatch: group.version })
                await navigate({ to: '/groups/$group', params: { group: addressOfPath(group.parentPath) } })
                await queryClient.invalidateQueries()
              }}
            >
              <p>
                Projects in it, their runs, logs, caches, secrets and variables are gone then, and nothing brings them
                back.
              </p>
            </Confirm>
          </div>
        </Panel>
      )}
    </>
  )
}
