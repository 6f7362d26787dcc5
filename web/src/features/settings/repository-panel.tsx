// The repository of a project at a provider: set up again, reached with another account, or another repository in its place.

import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useRouter } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import type { BodyOf } from '../../../../src/contract/route.ts'
import type { ApiRoutes } from '../../../../src/contract/routes.ts'
import { call } from '../../api/client.ts'
import type { Project } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Confirm, Dialog } from '../../ui/dialogs.tsx'
import { SelectField } from '../../ui/field.tsx'
import { Problem } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { type RemoteRepository, RepositoryPicker } from '../projects/repository-picker.tsx'
import { type RemoteSource, useAccountSources } from '../session/remote-logins.tsx'

/** Where something is wrong with the repository, the trouble above offers the first two. */
export function RepositoryPanel({ project }: { readonly project: Project }) {
  const queryClient = useQueryClient()
  const remotes = useAccountSources()
  const [done, setDone] = useState('')
  const [isMoving, setMoving] = useState(false)
  const params = { projectRef: project.id }
  const source = project.source?.kind === 'remotesource' ? project.source : undefined
  const at = remotes.find(({ id }) => id === source?.remoteSourceId)
  const act = async (what: () => Promise<unknown>, words: string) => {
    await what()
    setDone(words)
    await queryClient.invalidateQueries({ queryKey: ['project'] })
  }
  if (source === undefined && remotes.length === 0) return null
  return (
    <Panel title="Repository">
      <div className="stack">
        {source === undefined ? (
          <p className="soft">
            It is known by its address. It can go on with one at {listOf(remotes)}, where webhook and key are set up.
          </p>
        ) : (
          <p className="soft">
            <code>{source.repositoryPath}</code>
            {at === undefined ? '' : ` at ${at.name}`}: read, its webhook set up and states of commits reported with the
            linked account of one person.
          </p>
        )}
        <div className="row">
          {source === undefined || project.isSourceBroken === true ? null : (
            <>
              <Confirm
                trigger={<Button>Set it up again</Button>}
                title={`Set up ${source.repositoryPath} again?`}
                action="Set it up again"
                onConfirm={() => act(() => call('reconfigureProject', { params }), 'It is set up.')}
              >
                <p>
                  Webhook and deploy key are made again where they are missing there, and put right where they differ.
                </p>
              </Confirm>
              <Confirm
                trigger={<Button>Use my account</Button>}
                title={`Work with your account for ${project.path}?`}
                action="Use my account"
                onConfirm={() => act(() => call('setProjectAccount', { params }), 'It is yours now.')}
              >
                <p>Webhook and deploy key are set up anew with it. It has to administer the repository there.</p>
              </Confirm>
            </>
          )}
          {remotes.length === 0 ? null : (
            <Button
              onClick={() => {
                setDone('')
                setMoving(true)
              }}
            >
              Another repository
            </Button>
          )}
          <span role="status" className="soft">
            {done}
          </span>
        </div>
      </div>
      <Dialog isOpen={isMoving} onOpenChange={setMoving} title={`Another repository for ${project.path}`}>
        <MoveForm
          project={project}
          remotes={remotes}
          onMove={(to, body) =>
            act(async () => {
              await call('setProjectRepository', { params, body })
              setMoving(false)
            }, `It goes on with ${to.path}.`)
          }
        />
      </Dialog>
    </Panel>
  )
}

type MoveFormProps = {
  readonly project: Project
  readonly remotes: readonly RemoteSource[]
  readonly onMove: (to: RemoteRepository, body: BodyOf<ApiRoutes['setProjectRepository']>) => Promise<void>
}

function MoveForm({ project, remotes, onMove }: MoveFormProps) {
  const { latestLocation } = useRouter()
  const before = project.source?.kind === 'remotesource' ? project.source : undefined
  const [from, setFrom] = useState(before?.remoteSourceId)
  const remote = remotes.find(({ id }) => id === from) ?? remotes[0]!
  const [repository, setRepository] = useState<RemoteRepository>()
  const [visibility, setVisibility] = useState<Project['visibility']>('private')
  const move = useMutation({
    mutationFn: (to: RemoteRepository) =>
      onMove(to, {
        remoteSourceRef: remote.id,
        repositoryId: to.id,
        ...(isShownTooMuch(project, to) ? { visibility } : {}),
      }),
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (repository !== undefined && !move.isPending) move.mutate(repository)
  }
  return (
    <form className="form" onSubmit={submit}>
      <p className="soft">
        Runs, secrets, variables and settings stay; the main branch is that of the other repository. Pushes to it start
        runs from then on, with your account and with a new deploy key and webhook there.
        {before === undefined
          ? null
          : ` Those at ${before.repositoryPath} are removed; runs of it that have not cloned yet fail.`}
      </p>
      {remotes.length === 1 ? null : (
        <SelectField
          label="Repository from"
          value={remote.id}
          onChange={({ target }) => {
            setFrom(target.value)
            setRepository(undefined)
          }}
          options={remotes.map(({ id, name }) => [id, name] as const)}
        />
      )}
      <RepositoryPicker
        key={remote.id}
        source={remote}
        returnTo={latestLocation.href}
        chosen={repository}
        onChoose={setRepository}
      />
      {repository === undefined || !isShownTooMuch(project, repository) ? null : (
        <SelectField
          label="Runs and logs of the private repository are seen by"
          value={visibility}
          onChange={({ target }) => setVisibility(target.value as Project['visibility'])}
          options={[
            ['private', 'members only: the project becomes private'],
            ['public', 'everybody: the project stays public'],
          ]}
        />
      )}
      {move.error === null ? null : <Problem error={move.error} title="It stays with the repository it has" />}
      <div className="dialog-actions">
        <Button type="submit" kind="primary" isBusy={move.isPending} disabled={repository === undefined}>
          {move.isPending ? 'Setting up…' : 'Go on with it'}
        </Button>
      </div>
    </form>
  )
}

/** Whoever may not see the repository would see what its runs print. */
function isShownTooMuch(project: Project, { isPrivate }: RemoteRepository): boolean {
  return isPrivate && project.visibility === 'public'
}

const listOf = (remotes: readonly RemoteSource[]) =>
  new Intl.ListFormat('en', { type: 'disjunction' }).format(remotes.map(({ name }) => name))
