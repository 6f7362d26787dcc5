import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import type { Executor } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Confirm, RemoveButton } from '../../ui/dialogs.tsx'
import { TextField } from '../../ui/field.tsx'
import { ActionForm } from '../../ui/form-parts.tsx'
import { Empty, Loaded } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { ShownOnce } from '../../ui/shown-once.tsx'
import { Table } from '../../ui/table.tsx'
import { Ago } from '../../ui/time.tsx'
import { OwnedTask } from './owned-run.tsx'

const stateOf = ({ state, isDraining, isHeld }: Executor) =>
  state === 'connected' && isDraining
    ? ['approval', 'draining']
    : state === 'connected' && !isHeld
      ? ['queued', 'away']
      : state === 'connected'
        ? ['success', 'connected']
        : state === 'lost'
          ? ['failed', 'lost']
          : ['skipped', state]

export function Executors() {
  const queryClient = useQueryClient()
  const executors = useQuery({
    queryKey: ['executors'],
    queryFn: () => call('listExecutors'),
  })
  const refresh = () => queryClient.invalidateQueries({ queryKey: ['executors'] })
  return (
    <>
      <Panel isPadded={false} title="Executors">
        <Loaded query={executors} what="the executors">
          {({ items }) =>
            items.length === 0 ? (
              <Empty title="No executor">
                Runs wait until one comes: “slipway executor” on any machine, with a token from below.
              </Empty>
            ) : (
              <Table label="Executors" heads={['Executor', 'State', 'Slots', 'Serves', 'Runs now', '']}>
                {items.map((executor) => {
                  const [state, words] = stateOf(executor)
                  const name = executor.name ?? executor.id
                  return (
                    <tr key={executor.id}>
                      <td>
                        {name}
                        <div className="faint">
                          {executor.version} · <Ago time={executor.lastSeenAt ?? executor.connectedAt} />
                        </div>
                      </td>
                      <td>
                        <span className="state" data-state={state}>
                          {words}
                        </span>
                      </td>
                      <td>
                        {executor.slotsUsed} of {executor.taskLimit === 0 ? 'any' : executor.taskLimit}
                      </td>
                      <td>
                        {executor.archs.join(', ')} · {executor.drivers.join(', ')}
                        {executor.allowPrivileged ? ' · privileged' : ''}
                        <div className="faint">
                          {Object.entries(executor.labels)
                            .map(([label, value]) => `${label}=${value}`)
                            .join(' ')}
                        </div>
                      </td>
                      <td>
                        {executor.tasks.length === 0 ? (
                          <span className="faint">nothing</span>
                        ) : (
                          <RunningTasks tasks={executor.tasks} />
                        )}
                      </td>
                      <td className="actions">
                        <Confirm
                          trigger={<Button size="small">{executor.isDraining ? 'Take up again' : 'Drain'}</Button>}
                          title={executor.isDraining ? `Give ${name} tasks again?` : `Drain ${name}?`}
                          action={executor.isDraining ? 'Take up again' : 'Drain'}
                          onConfirm={async () => {
                            await call('drainExecutor', {
                              params: { executorId: executor.id },
                              body: { isDraining: !executor.isDraining },
                            })
                            await refresh()
                          }}
                        >
                          <p>
                            {executor.isDraining
                              ? 'It gets tasks as others do.'
                              : 'It finishes what it has and gets nothing new, also when it comes back after it was away.'}
                          </p>
                        </Confirm>
                        <RemoveButton
                          name={name}
                          onConfirm={async () => {
                            await call('removeExecutor', { params: { executorId: executor.id } })
                            await refresh()
                          }}
                        >
                          <p>
                            {executor.tasks.length === 0
                              ? 'It runs nothing now.'
                              : `Its ${executor.tasks.length} tasks fail.`}{' '}
                            Drain it first to let them end.
                          </p>
                        </RemoveButton>
                      </td>
                    </tr>
                  )
                })}
              </Table>
            )
          }
        </Loaded>
      </Panel>
      <ExecutorTokens />
    </>
  )
}

/** Told by name; more would be a list to scroll through. */
const namedMax = 5

function RunningTasks({ tasks }: { readonly tasks: Executor['tasks'] }) {
  return (
    <ul className="stack tight">
      {tasks.slice(0, namedMax).map(({ runId, taskId }) => (
        <li key={taskId}>
          <OwnedTask runId={runId} taskId={taskId} />
        </li>
      ))}
      {tasks.length > namedMax ? <li className="faint">and {tasks.length - namedMax} more</li> : null}
    </ul>
  )
}

function ExecutorTokens() {
  const queryClient = useQueryClient()
  const tokens = useQuery({ queryKey: ['executor-tokens'], queryFn: () => call('listExecutorTokens') })
  const [made, setMade] = useState<string>()
  const refresh = () => queryClient.invalidateQueries({ queryKey: ['executor-tokens'] })
  const create = useMutation({
    mutationFn: (form: FormData) => call('createExecutorToken', { body: { name: String(form.get('name')) } }),
    onSuccess: ({ value }) => {
      setMade(value)
      void refresh()
    },
  })
  return (
    <Panel title="Tokens of executors">
      <div className="stack">
        <ActionForm onSubmit={(form) => create.mutate(new FormData(form))} state={create} action="Make a token" isPlain>
          <TextField label="Name of a new executor" name="name" required maxLength={100} autoComplete="off" />
        </ActionForm>
        {made === undefined ? null : <ShownOnce title="Copy it now: it is shown here and never again." secret={made} />}
        <Loaded query={tokens} what="the tokens" lines={2}>
          {({ items }) =>
            items.length === 0 ? null : (
              <ul className="rows">
                {items.map((token) => (
                  <li key={token.id} className="row">
                    <span className="grow">
                      {token.name}{' '}
                      <span className="faint">
                        <Ago time={token.createdAt} />
                      </span>
                    </span>
                    <RemoveButton
                      name={token.name}
                      verb="Revoke"
                      title={`Revoke the token ${token.name}?`}
                      onConfirm={async () => {
                        await call('deleteExecutorToken', { params: { tokenId: token.id } })
                        await refresh()
                      }}
                    >
                      <p>The executor that comes with it is refused from now on.</p>
                    </RemoveButton>
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </div>
    </Panel>
  )
}
