// What can be done with a run, each with what it will do. Two people may act at once: the server's answer says who was first.

import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { memo, type ReactNode, useState } from 'react'
import { ApiError } from '../../../../src/contract/client.ts'
import { call } from '../../api/client.ts'
import { runKey } from '../../api/live.ts'
import type { Run } from '../../api/types.ts'
import { addressOfPath } from '../../app/project-address.ts'
import { Button } from '../../ui/button.tsx'
import { Confirm, Menu, MenuItem } from '../../ui/dialogs.tsx'
import { Icon } from '../../ui/icon.tsx'
import type { OwnerRef } from '../runs/run-link.tsx'
import { countStates } from '../runs/run-state.ts'

type Action = 'restart' | 'restart-failed' | 'stop' | 'cancel'

export const RunActions = memo(function RunActions({ run, owner }: { readonly run: Run; readonly owner: OwnerRef }) {
  const [asked, setAsked] = useState<Action>()
  const queryClient = useQueryClient()
  const navigate = useNavigate()
  if (!run.may.act) return null
  const params = { runId: run.id }
  const refresh = () => queryClient.invalidateQueries({ queryKey: runKey(run.id) })
  const restart = async (fromStart: boolean) => {
    const { number } = await call('restartRun', { params, body: { fromStart } })
    if (owner.type === 'project')
      await navigate({
        to: '/projects/$project/runs/$number',
        params: { project: addressOfPath(owner.ref), number: String(number) },
      })
    else await navigate({ to: '/users/$user/runs/$number', params: { user: owner.ref, number: String(number) } })
  }
  /** Somebody was faster: what there is now is shown beside the server's words. */
  const act = async (what: () => Promise<unknown>) => {
    try {
      await what()
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) await refresh()
      throw error
    }
    await refresh()
  }
  const counts = countStates(run)
  const kept = counts.get('success') ?? 0
  const repeated = run.tasks.length - kept
  const running = counts.get('running') ?? 0
  const waiting =
    run.tasks.length -
    running -
    run.tasks.filter(({ status }) => status !== 'notstarted' && status !== 'running').length
  const close = (isOpen: boolean) => setAsked(isOpen ? asked : undefined)
  return (
    <>
      {run.canRestartFromStart || run.canRestartFromFailed ? (
        <Menu
          trigger={
            <Button icon="repeat">
              Restart <Icon name="down" />
            </Button>
          }
        >
          {run.canRestartFromFailed ? (
            <MenuItem
              onSelect={() => setAsked('restart-failed')}
              help={`${tasks(repeated)} again; ${tasks(kept)} kept`}
            >
              What did not succeed
            </MenuItem>
          ) : null}
          {run.canRestartFromStart ? (
            <MenuItem onSelect={() => setAsked('restart')} help={`all ${tasks(run.tasks.length)} again`}>
              From the start
            </MenuItem>
          ) : null}
        </Menu>
      ) : null}
      {run.phase === 'queued' ? (
        <Button icon="close" kind="danger" onClick={() => setAsked('cancel')}>
          Cancel
        </Button>
      ) : null}
      {run.phase === 'running' ? (
        <Button icon="stop" kind="danger" disabled={run.isStopping === true} onClick={() => setAsked('stop')}>
          {run.isStopping === true ? 'Stopping…' : 'Stop'}
        </Button>
      ) : null}
      <Confirm
        isOpen={asked === 'restart'}
        onOpenChange={close}
        title={`Restart run #${run.number} from the start?`}
        action="Restart"
        onConfirm={() => restart(true)}
      >
        <p>
          A new run executes all {tasks(run.tasks.length)} again, with the same definition and commit. Secrets and
          variables are those of now.
        </p>
      </Confirm>
      <Confirm
        isOpen={asked === 'restart-failed'}
        onOpenChange={close}
        title={`Restart what did not succeed in run #${run.number}?`}
        action="Restart"
        onConfirm={() => restart(false)}
      >
        <p>
          A new run keeps the {tasks(kept)} that succeeded, with their workspaces, and executes {tasks(repeated)} again.
        </p>
      </Confirm>
      <Confirm
        isOpen={asked === 'stop'}
        onOpenChange={close}
        title={`Stop run #${run.number}?`}
        action="Stop the run"
        isDangerous
        onConfirm={() => act(() => call('stopRun', { params }))}
      >
        <p>
          {tasks(running)} running now {running === 1 ? 'is' : 'are'} asked to end and killed if{' '}
          {running === 1 ? 'it does' : 'they do'} not; {tasks(waiting)} will not begin. What was saved stays, and the
          run can be restarted.
        </p>
      </Confirm>
      <Confirm
        isOpen={asked === 'cancel'}
        onOpenChange={close}
        title={`Cancel run #${run.number}?`}
        action="Cancel the run"
        isDangerous
        onConfirm={() => act(() => call('cancelRun', { params }))}
      >
        <p>It has not begun and will not begin. The next run of its branch goes first then.</p>
      </Confirm>
    </>
  )
})

function tasks(count: number): string {
  return count === 1 ? '1 task' : `${count} tasks`
}

type Approved = { readonly runId: string; readonly taskId: string; readonly name: string }

/**
 * A question that stays open when the task it is about begins meanwhile, because somebody else approved it: the answer explains that.
 * `ask` opens it; `dialog` stands once on the page.
 */
export function useApproval(): { readonly ask: (task: Approved) => void; readonly dialog: ReactNode } {
  const queryClient = useQueryClient()
  const [asked, setAsked] = useState<Approved>()
  const [isOpen, setOpen] = useState(false)
  const approve = async () => {
    if (asked === undefined) return
    const { runId, taskId } = asked
    try {
      await call('approveTask', { params: { runId, taskId } })
    } finally {
      void queryClient.invalidateQueries({ queryKey: runKey(runId) })
      void queryClient.invalidateQueries({ queryKey: ['task', runId, taskId] })
    }
  }
  const dialog = (
    <Confirm
      isOpen={isOpen}
      onOpenChange={setOpen}
      title={`Approve ${asked?.name ?? ''}?`}
      action="Approve"
      onConfirm={approve}
    >
      <p>The task begins as soon as an executor is free. An approval cannot be taken back; a run can be stopped.</p>
    </Confirm>
  )
  const ask = (task: Approved) => {
    setAsked(task)
    setOpen(true)
  }
  return { ask, dialog }
}
