// Who hears of the runs of a project, and what was told.

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import type { BodyOf, ResponseOf } from '../../../../src/contract/route.ts'
import type { ApiRoutes } from '../../../../src/contract/routes.ts'
import { call, events } from '../../api/client.ts'
import { followEvents } from '../../api/follow-events.ts'
import type { Project } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog, RemoveButton } from '../../ui/dialogs.tsx'
import { CheckField, SelectField, TextArea, TextField } from '../../ui/field.tsx'
import { Empty, Loaded, Problem } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { ShownOnce } from '../../ui/shown-once.tsx'
import { Table } from '../../ui/table.tsx'
import { Ago } from '../../ui/time.tsx'
import { RunLink } from '../runs/run-link.tsx'
import { HistoryPanel } from './history-panel.tsx'

type Receiver = ResponseOf<ApiRoutes['listReceivers']>['items'][number]
type Notification = ResponseOf<ApiRoutes['listNotifications']>['items'][number]
type NewReceiver = BodyOf<ApiRoutes['createReceiver']>
const kindWords = { webhook: 'Webhook', slack: 'Slack or compatible', email: 'E-mail' } as const
const stateMarks: Readonly<Record<Notification['state'], string>> = {
  waiting: 'queued',
  sent: 'success',
  failed: 'failed',
  superseded: 'skipped',
  dropped: 'stopped',
}
export function NotificationsSection({ project }: { readonly project: Project }) {
  const params = { projectRef: project.id }
  const queryClient = useQueryClient()
  const receivers = useQuery({
    queryKey: ['receivers', project.id],
    queryFn: ({ signal }) => call('listReceivers', { params, signal }),
    retry: false,
  })
  const [edited, setEdited] = useState<Receiver | 'new'>()
  const [secret, setSecret] = useState<string>()
  const refresh = () => queryClient.invalidateQueries({ queryKey: ['receivers', project.id] })
  const test = useMutation({
    mutationFn: (receiverId: string) => call('testReceiver', { params: { ...params, receiverId } }),
  })
  const may = project.may?.change === true
  return (
    <>
      {edited === undefined ? null : (
        <Dialog
          isOpen
          onOpenChange={() => setEdited(undefined)}
          title={edited === 'new' ? 'New receiver' : edited.name}
        >
          <ReceiverForm
            project={project}
            receiver={edited === 'new' ? undefined : edited}
            onDone={async (made) => {
              setEdited(undefined)
              setSecret(made)
              await refresh()
            }}
          />
        </Dialog>
      )}
      {secret === undefined ? null : (
        <ShownOnce
          title="What the webhook is signed with, shown here and never again"
          secret={secret}
          onDone={() => setSecret(undefined)}
        />
      )}
      {test.error === null ? null : <Problem error={test.error} title="The test was not sent" />}
      <Panel
        title="Who hears of runs"
        isPadded={false}
        actions={
          may ? (
            <Button icon="plus" size="small" onClick={() => setEdited('new')}>
              New receiver
            </Button>
          ) : null
        }
      >
        <Loaded query={receivers} what="the receivers">
          {({ items }) =>
            items.length === 0 ? (
              <Empty title="Nobody yet">
                Commit statuses are reported to the provider without any. Webhooks, chat and e-mail are added here.
              </Empty>
            ) : (
              <Table label="Who hears of runs" heads={['Name', 'By', 'Of', '']}>
                {items.map((receiver) => (
                  <tr key={receiver.id}>
                    <td>
                      {receiver.name} {receiver.isEnabled ? null : <span className="tag">off</span>}
                    </td>
                    <td className="soft">
                      {kindWords[receiver.kind]}{' '}
                      <code>{receiver.url ?? receiver.origin ?? receiver.recipients?.join(', ') ?? ''}</code>
                    </td>
                    <td className="soft">
                      {(receiver.events ?? receiver.changes ?? []).join(', ')}
                      {(receiver.branches ?? []).length === 0 ? '' : ` of ${receiver.branches!.join(', ')}`}
                    </td>
                    <td className="actions">
                      {may ? (
                        <>
                          <Button
                            size="small"
                            isBusy={test.isPending && test.variables === receiver.id}
                            onClick={() => test.mutate(receiver.id)}
                            aria-label={`Test ${receiver.name}`}
                          >
                            Test
                          </Button>
                          <Button
                            size="small"
                            onClick={() => setEdited(receiver)}
                            aria-label={`Change ${receiver.name}`}
                          >
                            Change
                          </Button>
                          <RemoveButton
                            name={receiver.name}
                            onConfirm={async () => {
                              await call('deleteReceiver', {
                                params: { ...params, receiverId: receiver.id },
                                ifMatch: receiver.version,
                              })
                              await refresh()
                            }}
                          >
                            <p>What waits for it is not sent.</p>
                          </RemoveButton>
                        </>
                      ) : null}
                    </td>
                  </tr>
                ))}
              </Table>
            )
          }
        </Loaded>
      </Panel>
      <Told project={project} may={may} />
    </>
  )
}

function Told({ project, may }: { readonly project: Project; readonly may: boolean }) {
  const params = { projectRef: project.id }
  return (
    <HistoryPanel
      title="What was told"
      about="To receivers, and to the provider of the repository as statuses of commits; kept for a week."
      list={{
        queryKey: ['notifications', project.id],
        fetchPage: (query, signal) => call('listNotifications', { params, query, signal }),
        watch: (show, signal) =>
          followEvents<ApiRoutes['watchNotifications']>({
            open: (_, opened) => events('watchNotifications', { params, signal: opened }),
            onEvent: ({ data }) => show(data),
            signal,
          }),
      }}
      empty={<Empty title="Nothing was told yet">The next run of the project is.</Empty>}
      heads={['What', 'Run', 'Became', 'When']}
      cells={(one) => <ToldCells one={one} project={project} />}
      canRepeat={({ canResend }) => may && canResend}
      repeat={(notificationId) => call('resendNotification', { params: { ...params, notificationId } })}
      refused="It cannot be sent again"
    />
  )
}

function ToldCells({ one, project }: { readonly one: Notification; readonly project: Project }) {
  return (
    <>
      <td>
        {one.status === undefined ? one.event : `commit status: ${one.status.state}`}
        <div className="faint">
          {one.status === undefined ? kindWords[one.kind as keyof typeof kindWords] : one.status.context}
        </div>
      </td>
      <td>
        {one.runNumber === undefined ? null : (
          <RunLink owner={{ type: 'project', ref: project.path }} number={one.runNumber}>
            #{one.runNumber}
          </RunLink>
        )}
      </td>
      <td>
        <span className="state" data-state={stateMarks[one.state]}>
          {one.state}
        </span>{' '}
        <span className="soft">
          {one.message}
          {one.attemptCount > 1 ? ` · ${one.attemptCount} attempts` : ''}
          {one.nextAttemptAt === undefined ? null : (
            <>
              {' '}
              · next <Ago time={one.nextAttemptAt} />
            </>
          )}
        </span>
        {one.state === 'failed' && one.attempts.at(-1)?.excerpt !== undefined ? (
          <div className="faint clip">{one.attempts.at(-1)?.excerpt}</div>
        ) : null}
      </td>
      <td className="soft">
        <Ago time={one.endedAt ?? one.createdAt} />
      </td>
    </>
  )
}

const eventOptions = ['queued', 'running', 'success', 'failed', 'stopped', 'cancelled', 'setuperror'] as const
const changeOptions = [
  ['broken', 'A branch breaks'],
  ['still_broken', 'It is still broken'],
  ['fixed', 'It works again'],
] as const

function listOf(form: FormData, name: string): string[] {
  return String(form.get(name) ?? '')
    .split(/[\s,]+/)
    .filter((part) => part !== '')
}

function ReceiverForm({
  project,
  receiver,
  onDone,
}: {
  readonly project: Project
  readonly receiver: Receiver | undefined
  readonly onDone: (secret: string | undefined) => Promise<void>
}) {
  const [kind, setKind] = useState<Receiver['kind']>(receiver?.kind ?? 'webhook')
  const params = { projectRef: project.id }
  const save = useMutation({
    mutationFn: async (form: FormData) => {
      const url = String(form.get('url') ?? '').trim()
      const settings = {
        name: String(form.get('name')).trim(),
        isEnabled: form.get('isEnabled') === 'on',
        ...(url === '' ? {} : { url }),
        ...(kind === 'webhook'
          ? {
              format: String(form.get('format')) as 'slipway' | 'cloudevents',
              events: eventOptions.filter((one) => form.get(`run.${one}`) === 'on').map((one) => `run.${one}` as const),
            }
          : {
              branches: listOf(form, 'branches'),
              changes: changeOptions.map(([one]) => one).filter((one) => form.get(one) === 'on'),
            }),
        ...(kind === 'email' ? { recipients: listOf(form, 'recipients') } : {}),
      }
      const made =
        receiver === undefined
          ? await call('createReceiver', { params, body: { kind, ...settings } as NewReceiver })
          : await call('updateReceiver', {
              params: { ...params, receiverId: receiver.id },
              body: { ...settings, ...(form.get('newSecret') === 'on' ? { newSecret: true } : {}) },
              ifMatch: receiver.version,
            })
      await onDone(made.secret)
    },
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    save.mutate(new FormData(event.currentTarget))
  }
  return (
    <form className="form" onSubmit={submit}>
      <TextField label="Name" name="name" defaultValue={receiver?.name ?? ''} required maxLength={100} autoFocus />
      {receiver === undefined ? (
        <SelectField
          label="By"
          value={kind}
          onChange={({ target }) => setKind(target.value as Receiver['kind'])}
          options={[
            ['webhook', kindWords.webhook],
            ['slack', kindWords.slack],
            ['email', kindWords.email],
          ]}
        />
      ) : null}
      {kind === 'email' ? (
        <TextArea
          label="Addresses"
          name="recipients"
          rows={2}
          required
          defaultValue={receiver?.recipients?.join('\n') ?? ''}
        />
      ) : (
        <TextField
          label="Address"
          name="url"
          type="url"
          defaultValue={receiver?.url ?? ''}
          required={receiver?.origin === undefined}
          autoComplete="off"
          help={receiver?.origin === undefined ? undefined : `Now one at ${receiver.origin}; empty keeps it.`}
        />
      )}
      {kind === 'webhook' ? (
        <>
          <SelectField
            label="Format"
            name="format"
            defaultValue={receiver?.format ?? 'slipway'}
            options={[
              ['slipway', 'Slipway'],
              ['cloudevents', 'CloudEvents'],
            ]}
          />
          <fieldset className="checks">
            <legend>When a run is</legend>
            {eventOptions.map((one) => (
              <CheckField
                key={one}
                label={one}
                name={`run.${one}`}
                defaultChecked={receiver?.events?.includes(`run.${one}`) ?? ['success', 'failed'].includes(one)}
              />
            ))}
          </fieldset>
        </>
      ) : (
        <fieldset className="checks">
          <legend>When</legend>
          {changeOptions.map(([one, words]) => (
            <CheckField
              key={one}
              label={words}
              name={one}
              defaultChecked={receiver?.changes?.includes(one) ?? one !== 'still_broken'}
            />
          ))}
        </fieldset>
      )}
      {kind === 'webhook' ? null : (
        <TextField
          label="Only of these branches"
          name="branches"
          defaultValue={receiver?.branches?.join(', ') ?? ''}
          placeholder="all"
          autoComplete="off"
        />
      )}
      <CheckField label="It is on" name="isEnabled" defaultChecked={receiver?.isEnabled ?? true} />
      {receiver?.kind === 'webhook' ? (
        <CheckField
          label="Make a new secret"
          name="newSecret"
          help="For a day webhooks are signed with the one before as well."
        />
      ) : null}
      {save.error === null ? null : <Problem error={save.error} />}
      <div className="form-actions">
        <Button type="submit" kind="primary" isBusy={save.isPending}>
          Save
        </Button>
      </div>
    </form>
  )
}
