// Who is told, where, and of what.

import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import type { BodyOf } from '../../../../src/contract/route.ts'
import type { ApiRoutes } from '../../../../src/contract/routes.ts'
import { call } from '../../api/client.ts'
import type { Project } from '../../api/types.ts'
import { CheckField, SelectField, TextArea, TextField } from '../../ui/field.tsx'
import { ActionForm } from '../../ui/form-parts.tsx'
import { kindWords, type Receiver } from './receivers.ts'

type NewReceiver = BodyOf<ApiRoutes['createReceiver']>

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

export function ReceiverForm({
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
  return (
    <ActionForm onSubmit={(form) => save.mutate(new FormData(form))} state={save} action="Save">
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
    </ActionForm>
  )
}
