import type { Run, TaskSummary } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { StateMark } from '../../ui/state-mark.tsx'
import { Duration } from '../../ui/time.tsx'
import { type OwnerRef, TaskLink } from '../runs/run-link.tsx'
import { stateOfTask, stateWords } from '../runs/run-state.ts'

const conditionWords: Readonly<Record<string, string>> = {
  on_success: '',
  on_failure: 'on failure',
  on_skipped: 'if skipped',
}

type Props = {
  readonly run: Run
  readonly owner: OwnerRef
  /** Undefined where nobody may. */
  readonly onApprove: ((task: TaskSummary) => void) | undefined
}

/** Every task with why it waits, was skipped or failed, and what it depends on. */
export function TaskList({ run, owner, onApprove }: Props) {
  const names = new Map(run.tasks.map(({ id, name }) => [id, name]))
  const sorted = [...run.tasks].sort((a, b) => a.level - b.level)
  return (
    <ul className="rows">
      {sorted.map((task) => {
        const state = stateOfTask(task)
        return (
          <li key={task.id} className="task-row" data-state={state}>
            <StateMark state={state} />
            <div className="clip">
              <TaskLink owner={owner} number={run.number} taskId={task.id}>
                {task.name}
              </TaskLink>
            </div>
            <div className="row">
              <span className="faint">
                <Duration of={task} />
              </span>
              {state === 'approval' && onApprove !== undefined ? (
                <Button kind="primary" size="small" onClick={() => onApprove(task)}>
                  Approve
                </Button>
              ) : null}
            </div>
            <div className="after">
              {task.reason === undefined ? (
                stateWords[state]
              ) : (
                <span className="reason">
                  {/* Why it was left out is about another task: it needs the word before it. */}
                  {state === 'skipped' || state === 'cancelled' ? `${stateWords[state]}: ` : ''}
                  {task.reason.message}
                </span>
              )}
              {task.depends.length === 0 ? null : ` · after ${dependencies(task, names)}`}
            </div>
          </li>
        )
      })}
    </ul>
  )
}

function dependencies({ depends }: TaskSummary, names: ReadonlyMap<string, string>): string {
  return depends
    .map(({ taskId, conditions }) => {
      const words = conditions.map((condition) => conditionWords[condition] ?? '').filter((word) => word !== '')
      return `${names.get(taskId) ?? taskId}${words.length === 0 ? '' : ` (${words.join(', ')})`}`
    })
    .join(', ')
}
