import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { call } from '../../api/client.ts'
import type { ProjectGroup } from '../../api/types.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { addressOfPath, pathOfAddress } from '../../app/project-address.ts'
import { CheckField } from '../../ui/field.tsx'
import { useFormKey } from '../../ui/form-key.ts'
import { RemovePanel, SaveRow } from '../../ui/form-parts.tsx'
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
          return <General group={data} />
        }}
      </Loaded>
    </Page>
  )
}

function General({ group }: { readonly group: ProjectGroup }) {
  const { key, keep } = useFormKey(group.version)
  return (
    <>
      <Panel title="Settings">
        <GeneralForm key={key} group={group} onSaved={keep} />
      </Panel>
      {group.name === '' ? null : <Danger group={group} />}
    </>
  )
}

type GeneralFormProps = { readonly group: ProjectGroup; readonly onSaved: (version: number) => void }

function GeneralForm({ group, onSaved }: GeneralFormProps) {
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
    onSuccess: async ({ path, version }) => {
      onSaved(version)
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
    <form className="form" onSubmit={submit}>
      {isRoot ? null : <NameField name={name} onName={setName} />}
      <CheckField
        label="Private"
        checked={isPrivate}
        onChange={({ target }) => setPrivate(target.checked)}
        help="What is in it is private as well."
      />
      <SaveProblem error={save.error} reload={() => void queryClient.invalidateQueries({ queryKey: ['group'] })} />
      <SaveRow isBusy={save.isPending} isSaved={save.isSuccess} isReady={problem === undefined} />
    </form>
  )
}

function Danger({ group }: { readonly group: ProjectGroup }) {
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  return (
    <RemovePanel
      noun="group"
      path={group.path}
      name={group.name}
      about="The group goes with all groups and projects in it."
      onConfirm={async () => {
        await call('deleteProjectGroup', { params: { projectGroupRef: group.id }, ifMatch: group.version })
        await navigate({ to: '/groups/$group', params: { group: addressOfPath(group.parentPath) } })
        await queryClient.invalidateQueries()
      }}
    >
      Projects in it, their runs, logs, caches, secrets and variables are gone then, and nothing brings them back.
    </RemovePanel>
  )
}
