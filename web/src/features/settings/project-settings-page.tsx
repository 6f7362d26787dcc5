import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { addressOf } from '../../../../src/contract/client.ts'
import { routes } from '../../../../src/contract/routes.ts'
import { call } from '../../api/client.ts'
import type { Project } from '../../api/types.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { addressOfPath, pathOfAddress } from '../../app/project-address.ts'
import { CheckField, SelectField, TextArea, TextField } from '../../ui/field.tsx'
import { useFormKey } from '../../ui/form-key.ts'
import { RemovePanel, SaveRow } from '../../ui/form-parts.tsx'
import { Loaded, SaveProblem } from '../../ui/load-state.tsx'
import { Page, Panel, PathCrumbs } from '../../ui/page.tsx'
import { NameField } from '../projects/name-field.tsx'
import { nameProblem } from '../projects/name-rule.ts'
import { ProjectTabs } from '../projects/project-tabs.tsx'
import { projectQuery } from '../projects/queries.ts'
import { RunFlags, runFlagsOf } from '../projects/run-flags.tsx'
import { SourceTrouble } from '../projects/source-trouble.tsx'
import { DeliveriesSection } from './deliveries-section.tsx'
import { NotificationsSection } from './notifications-section.tsx'
import { RepositoryPanel } from './repository-panel.tsx'
import { SecretsSection } from './secrets-section.tsx'
import { VariablesSection } from './variables-section.tsx'

export function ProjectSettingsPage() {
  const { project: address, section } = useParams({ from: '/inside/projects/$project/settings/$section' })
  const project = useQuery(projectQuery(pathOfAddress(address)))
  usePageTitle('Settings', project.data?.name)
  return (
    <Page
      above={<PathCrumbs path={project.data?.path ?? pathOfAddress(address)} />}
      title={project.data?.name ?? pathOfAddress(address).split('/').at(-1)}
    >
      <ProjectTabs project={address} shown={project.data} />
      <Loaded query={project} what="this project">
        {(data) => {
          const isReadOnly = data.may?.change !== true
          const place = { kind: 'project', ref: data.id, path: data.path, isReadOnly } as const
          if (section === 'secrets') return <SecretsSection place={place} />
          if (section === 'variables') return <VariablesSection place={place} />
          if (section === 'deliveries') return <DeliveriesSection project={data} />
          if (section === 'notifications') return <NotificationsSection project={data} />
          return <General project={data} />
        }}
      </Loaded>
    </Page>
  )
}

function General({ project }: { readonly project: Project }) {
  const { key, keep } = useFormKey(project.version)
  return (
    <>
      <SourceTrouble project={project} />
      <Panel title="Settings">
        <GeneralForm key={key} project={project} onSaved={keep} />
      </Panel>
      {project.deployKeyPublic === undefined ? null : (
        <Panel title="Deploy key">
          <div className="form">
            <TextArea
              label="Public key"
              readOnly
              rows={3}
              value={project.deployKeyPublic}
              help="Add it to the repository as a key that may read."
            />
          </div>
        </Panel>
      )}
      <Badge project={project} />
      <RepositoryPanel project={project} />
      <Danger project={project} />
    </>
  )
}

type GeneralFormProps = { readonly project: Project; readonly onSaved: (version: number) => void }

function GeneralForm({ project, onSaved }: GeneralFormProps) {
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  const [name, setName] = useState(project.name)
  const problem = nameProblem(name)
  const save = useMutation({
    mutationFn: (form: FormData) => {
      const parentRef = String(form.get('parentRef')).trim()
      const defaultBranch = String(form.get('defaultBranch')).trim()
      const source =
        project.source?.kind === 'git'
          ? {
              ...project.source,
              url: String(form.get('url')).trim(),
              pollIntervalMs: Math.round(Number(form.get('poll')) * 60_000),
            }
          : undefined
      return call('updateProject', {
        params: { projectRef: project.id },
        ifMatch: project.version,
        body: {
          name,
          ...(parentRef === project.parentPath ? {} : { parentRef }),
          visibility: form.get('private') === 'on' ? 'private' : 'public',
          forkRuns: String(form.get('forkRuns')) as Project['forkRuns'],
          cancelSuperseded: form.get('cancelSuperseded') === 'on',
          deployKeyInTasks: form.get('deployKeyInTasks') === 'on',
          ...runFlagsOf(form, project.path),
          ...(defaultBranch === '' ? {} : { defaultBranch }),
          ...(source === undefined ? {} : { source }),
        },
      })
    },
    onSuccess: async ({ path, version }) => {
      onSaved(version)
      await queryClient.invalidateQueries({ queryKey: ['project'] })
      void queryClient.invalidateQueries({ queryKey: ['projects'] })
      void queryClient.invalidateQueries({ queryKey: ['group-content'] })
      if (path !== project.path)
        await navigate({
          to: '/projects/$project/settings/$section',
          params: { project: addressOfPath(path), section: 'general' },
          replace: true,
        })
    },
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (problem === undefined) save.mutate(new FormData(event.currentTarget))
  }
  return (
    <form className="form" onSubmit={submit}>
      <NameField name={name} onName={setName} />
      <TextField
        label="Group"
        name="parentRef"
        defaultValue={project.parentPath}
        required
        autoComplete="off"
        autoCapitalize="none"
        help="Its path, such as org/acme/tools. In another one it inherits other secrets and variables and may have other owners."
      />
      {project.source?.kind === 'git' ? (
        <>
          <TextField label="Repository" name="url" defaultValue={project.source.url} required autoComplete="off" />
          <TextField
            label="Look for new commits every … minutes"
            name="poll"
            type="number"
            min={0}
            max={10_080}
            step="any"
            defaultValue={project.source.pollIntervalMs / 60_000}
            help="0 for never."
          />
        </>
      ) : null}
      <TextField
        label="Main branch"
        name="defaultBranch"
        defaultValue={project.defaultBranch ?? ''}
        placeholder="main"
        autoComplete="off"
        help="Its newest run tells how the project stands."
      />
      <CheckField
        label="Private"
        name="private"
        defaultChecked={project.visibility === 'private'}
        help={
          project.globalVisibility === 'private' && project.visibility === 'public'
            ? 'A group above is private, so this project is as well.'
            : 'Only members see it, its runs and logs.'
        }
      />
      <SelectField
        label="Runs of forks"
        name="forkRuns"
        defaultValue={project.forkRuns}
        options={[
          ['default', 'As usual: after approval in a public project, else always'],
          ['always', 'Always'],
          ['approval', 'After approval'],
          ['never', 'Never'],
        ]}
      />
      <RunFlags path={project.path} flags={project} />
      <CheckField
        label="A newer push of a pull request cancels the runs of the older one"
        name="cancelSuperseded"
        defaultChecked={project.cancelSuperseded}
      />
      <CheckField
        label="Tasks find the deploy key in their environment"
        name="deployKeyInTasks"
        defaultChecked={project.deployKeyInTasks}
        help="Those of forks never."
      />
      <SaveProblem error={save.error} reload={() => void queryClient.invalidateQueries({ queryKey: ['project'] })} />
      <SaveRow isBusy={save.isPending} isSaved={save.isSuccess} isReady={problem === undefined && name !== ''} />
    </form>
  )
}

function Badge({ project }: { readonly project: Project }) {
  const path = addressOf(routes.getBadge, { params: { projectRef: project.id } })
  return (
    <Panel title="Badge">
      <div className="form">
        <div>
          <img src={path} alt={`State of ${project.name}`} height={20} />
        </div>
        <TextField
          label="Markdown"
          readOnly
          value={`[![${project.name}](${window.location.origin}${path})](${window.location.origin}/projects/${addressOfPath(project.path)})`}
        />
      </div>
    </Panel>
  )
}

function Danger({ project }: { readonly project: Project }) {
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  return (
    <RemovePanel
      noun="project"
      path={project.path}
      name={project.name}
      about="The project goes with its runs, logs, caches, secrets and variables. The repository stays."
      onConfirm={async () => {
        await call('deleteProject', { params: { projectRef: project.id }, ifMatch: project.version })
        await navigate({ to: '/groups/$group', params: { group: addressOfPath(project.parentPath) } })
        await queryClient.invalidateQueries()
      }}
    >
      Its runs, logs, caches, secrets and variables are gone then, and nothing brings them back.
    </RemovePanel>
  )
}
