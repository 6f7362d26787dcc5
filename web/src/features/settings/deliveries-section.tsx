// What came about the repository of a project and what became of it: why a push started something, or nothing.

import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { ResponseOf } from '../../../../src/contract/route.ts'
import type { ApiRoutes } from '../../../../src/contract/routes.ts'
import { call, events } from '../../api/client.ts'
import { followEvents } from '../../api/follow-events.ts'
import type { Project } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Confirm } from '../../ui/dialogs.tsx'
import { Empty } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { Ago } from '../../ui/time.tsx'
import { HistoryPanel } from './history-panel.tsx'

type Delivery = ResponseOf<ApiRoutes['listDeliveries']>['items'][number]

const stateWords: Readonly<Record<Delivery['state'], readonly [words: string, mark: string]>> = {
  queued: ['waits', 'queued'],
  created: ['started runs', 'success'],
  nothing: ['started nothing', 'skipped'],
  ignored: ['ignored', 'skipped'],
  refused: ['refused', 'stopped'],
  failed: ['failed', 'failed'],
}

export function DeliveriesSection({ project }: { readonly project: Project }) {
  const params = { projectRef: project.id }
  const may = project.may?.change === true
  return (
    <>
      {may ? <WebhookSecret project={project} /> : null}
      <HistoryPanel
        title="Deliveries"
        about="Pushes, tags and pull requests as webhooks told of them or looks at the repository found them."
        list={{
          queryKey: ['deliveries', project.id],
          fetchPage: (query, signal) => call('listDeliveries', { params, query, signal }),
          watch: (show, signal) =>
            followEvents<ApiRoutes['watchDeliveries']>({
              open: (_, opened) => events('watchDeliveries', { params, signal: opened }),
              onEvent: ({ data }) => show(data),
              signal,
            }),
        }}
        empty={<Empty title="Nothing came yet">A webhook of the repository, or a look at it, brings the first.</Empty>}
        heads={['What', 'From', 'Became', 'When']}
        cells={(delivery) => <Cells delivery={delivery} />}
        canRepeat={({ canRedeliver }) => may && canRedeliver}
        repeat={(deliveryId) => call('redeliver', { params: { ...params, deliveryId } })}
        refused="It cannot be done again"
      />
    </>
  )
}

function Cells({ delivery }: { readonly delivery: Delivery }) {
  const [words, mark] = stateWords[delivery.state]
  return (
    <>
      <td>
        {delivery.event}
        {delivery.ref === undefined ? null : (
          <>
            {' '}
            <code>{delivery.ref.replace(/^refs\/(heads|tags)\//, '')}</code>
          </>
        )}
        {delivery.commitSha === undefined ? null : <code className="faint"> {delivery.commitSha.slice(0, 8)}</code>}
        {delivery.redeliveryOf === undefined ? null : <span className="tag">again, on request</span>}
      </td>
      <td className="soft">
        {delivery.source}
        {delivery.sender === undefined ? '' : `, ${delivery.sender}`}
        {delivery.repeats === 0 ? null : ` · came ${delivery.repeats + 1} times`}
      </td>
      <td>
        <span className="state" data-state={mark}>
          {words}
        </span>
        <div className="soft">{delivery.message}</div>
        {delivery.notCreated.map(({ name, message }) => (
          <div key={name} className="faint">
            {name}: {message}
          </div>
        ))}
      </td>
      <td className="soft">
        <Ago time={delivery.receivedAt} />
      </td>
    </>
  )
}

function WebhookSecret({ project }: { readonly project: Project }) {
  const queryClient = useQueryClient()
  const [made, setMade] = useState<ResponseOf<ApiRoutes['createWebhookSecret']>>()
  return (
    <Panel title="Webhook">
      <div className="stack">
        <p className="soft">
          {project.source?.kind === 'remotesource'
            ? 'It was set up at the provider when the project was made.'
            : 'Let the repository tell of pushes: a webhook signed with a secret, or an address that is called after a push.'}
        </p>
        {made === undefined ? null : (
          <div className="note" role="status">
            <span />
            <dl className="facts">
              <dt>Address of the webhook</dt>
              <dd>
                <code>{made.webhookUrl}</code>
              </dd>
              <dt>Secret, shown here and never again</dt>
              <dd>
                <code>{made.secret}</code>
              </dd>
              <dt>Or call this after a push; it is as secret as a password</dt>
              <dd>
                <code>{made.hookUrl}</code>
              </dd>
            </dl>
            <span />
          </div>
        )}
        <div>
          <Confirm
            trigger={<Button>{project.hasWebhookSecret === true ? 'New secret' : 'Make a secret'}</Button>}
            title="Make a new secret for webhooks?"
            action="Make it"
            onConfirm={async () => {
              setMade(await call('createWebhookSecret', { params: { projectRef: project.id } }))
              await queryClient.invalidateQueries({ queryKey: ['project'] })
            }}
          >
            <p>
              The one before it stays valid until the next is made, so there is time to change it at the repository.
            </p>
          </Confirm>
        </div>
      </div>
    </Panel>
  )
}
