// Starting runs by hand: of a branch, a tag or a pull request as it is in the repository now, or of one commit of it.

import { useMutation } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { call } from '../../api/client.ts'
import type { Project } from '../../api/types.ts'
import { addressOfPath } from '../../app/project-address.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialogs.tsx'
import { SelectField, TextField } from '../../ui/field.tsx'
import { Problem } from '../../ui/load-state.tsx'

const kinds = {
  branch: { words: 'Branch', label: 'Name of the branch' },
  tag: { words: 'Tag', label: 'Name of the tag' },
  pullRequest: { words: 'Pull request', label: 'Number of the pull request' },
} as const
type Kind = keyof typeof kinds

export function StartRun({ project }: { readonly project: Project }) {
  const [isOpen, setOpen] = useState(false)
  if (project.may?.run !== true) return null
  return (
    <>
      <Button icon="plus" onClick={() => setOpen(true)}>
        Start a run
      </Button>
      <Dialog isOpen={isOpen} onOpenChange={setOpen} title={`Start a run of ${project.name}`}>
        <StartForm project={project} onDone={() => setOpen(false)} />
      </Dialog>
    </>
  )
}

function StartForm({ project, onDone }: { readonly project: Project; readonly onDone: () => void }) {
  const navigate = useNavigate()
  const [kind, setKind] = useState<Kind>('branch')
  const start = useMutation({
    mutationFn: (form: FormData) => {
      const given = (key: string) => String(form.get(key) ?? '').trim()
      return call('createProjectRuns', {
        params: { projectRef: project.id },
        body: { [kind]: given('ref'), ...(given('commit') === '' ? {} : { commitSha: given('commit') }) },
      })
    },
    onSuccess: async ({ runs, notCreated }) => {
      const [only] = runs
      if (only === undefined || notCreated.length > 0) return
      onDone()
      // Several are seen in the list below.
      if (runs.length === 1)
        await navigate({
          to: '/projects/$project/runs/$number',
          params: { project: addressOfPath(project.path), number: String(only.number) },
        })
    },
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (!start.isPending) start.mutate(new FormData(event.currentTarget))
  }
  return (
    <form className="form" onSubmit={submit}>
      <p className="soft">The definition at that commit is executed as if it had just been pushed.</p>
      <SelectField
        label="Of a"
        value={kind}
        onChange={({ target }) => setKind(target.value as Kind)}
        options={Object.entries(kinds).map(([id, { words }]) => [id, words] as const)}
      />
      <TextField
        key={kind}
        label={kinds[kind].label}
        name="ref"
        required
        autoComplete="off"
        autoCapitalize="none"
        defaultValue={kind === 'branch' ? (project.defaultBranch ?? 'main') : ''}
        {...(kind === 'pullRequest' ? { inputMode: 'numeric', pattern: '[0-9]{1,18}' } : {})}
      />
      <TextField
        label="Commit"
        name="commit"
        autoComplete="off"
        autoCapitalize="none"
        pattern="[0-9a-f]{40}([0-9a-f]{24})?"
        placeholder="the newest"
        help="Its whole hash, when an older one is wanted."
      />
      {start.error === null ? null : <Problem error={start.error} title="No run was started" />}
      <NotStarted {...(start.data ?? { runs: [], notCreated: [] })} />
      <div className="dialog-actions">
        <Button type="submit" kind="primary" isBusy={start.isPending}>
          {start.isPending ? 'Starting…' : 'Start it'}
        </Button>
      </div>
    </form>
  )
}

type Started = { readonly runs: readonly unknown[]; readonly notCreated: readonly { name: string; message: string }[] }

/** Runs of the definition whose conditions leave this out. */
function NotStarted({ runs, notCreated }: Started) {
  if (notCreated.length === 0) return null
  return (
    <div className="note" role="status">
      <span />
      <div className="stack tight">
        <strong>{runs.length === 0 ? 'No run was started' : `${runs.length} started, and these not`}</strong>
        <ul>
          {notCreated.map(({ name, message }) => (
            <li key={name}>
              {name}: {message}
            </li>
          ))}
        </ul>
      </div>
      <span />
    </div>
  )
}
