// Name and visibility of an organization, and its end.

import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { call } from '../../api/client.ts'
import type { Organization } from '../../api/types.ts'
import { CheckField } from '../../ui/field.tsx'
import { useFormKey } from '../../ui/form-key.ts'
import { RemovePanel, SaveRow } from '../../ui/form-parts.tsx'
import { SaveProblem } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { NameField } from '../projects/name-field.tsx'
import { nameProblem } from '../projects/name-rule.ts'

export function OrganizationSettings({ organization }: { readonly organization: Organization }) {
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const { key, keep } = useFormKey(organization.version)
  return (
    <>
      <Panel title="Settings">
        <SettingsForm key={key} organization={organization} onSaved={keep} />
      </Panel>
      <RemovePanel
        noun="organization"
        path={organization.name}
        name={organization.name}
        about="The organization goes with all its groups, projects, runs and logs."
        onConfirm={async () => {
          await call('deleteOrganization', { params: { orgRef: organization.id }, ifMatch: organization.version })
          await navigate({ to: '/organizations' })
          await queryClient.invalidateQueries()
        }}
      >
        Nothing brings it back.
      </RemovePanel>
    </>
  )
}

type SettingsFormProps = { readonly organization: Organization; readonly onSaved: (version: number) => void }

function SettingsForm({ organization, onSaved }: SettingsFormProps) {
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
      onSaved(changed.version)
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
      <SaveRow isBusy={save.isPending} isSaved={save.isSuccess} isReady={name !== '' && problem === undefined} />
    </form>
  )
}
