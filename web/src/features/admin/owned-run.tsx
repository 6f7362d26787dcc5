// Runs among those of everybody: with the name of whose they are, which lists tell by its id only.

import { useQuery } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import type { RunSummary } from '../../api/types.ts'
import { projectQuery } from '../projects/queries.ts'
import { runQuery } from '../runs/queries.ts'
import { RunLink, TaskLink } from '../runs/run-link.tsx'

type Owned = Pick<RunSummary, 'owner' | 'number' | 'name'>

/** Path of the project, or name of the user; the id until that is known. */
function useOwnerRef({ type, id }: RunSummary['owner']): string {
  const project = useQuery({ ...projectQuery(id), enabled: type === 'project' })
  const user = useQuery({
    queryKey: ['user', id],
    queryFn: ({ signal }) => call('getUser', { params: { userRef: id }, signal }),
    enabled: type === 'user',
  })
  return project.data?.path ?? user.data?.name ?? id
}

export function OwnedRun({ run }: { readonly run: Owned }) {
  const ref = useOwnerRef(run.owner)
  return (
    <>
      <RunLink owner={{ type: run.owner.type, ref }} number={run.number}>
        #{run.number} {run.name}
      </RunLink>
      <div className="faint">{run.owner.type === 'user' ? `direct run of ${ref}` : ref}</div>
    </>
  )
}

/** A task of which one only knows the ids. */
export function OwnedTask({ runId, taskId }: { readonly runId: string; readonly taskId: string }) {
  const { data: run, isPending } = useQuery(runQuery(runId))
  if (run === undefined) return <span className="faint">{isPending ? '…' : 'a task of a run that is gone'}</span>
  return <TaskOf run={run} name={run.tasks.find(({ id }) => id === taskId)?.name ?? taskId} taskId={taskId} />
}

function TaskOf({ run, name, taskId }: { readonly run: Owned; readonly name: string; readonly taskId: string }) {
  const ref = useOwnerRef(run.owner)
  return (
    <>
      <TaskLink owner={{ type: run.owner.type, ref }} number={run.number} taskId={taskId}>
        {name}
      </TaskLink>{' '}
      <span className="faint">
        {ref} #{run.number}
      </span>
    </>
  )
}
