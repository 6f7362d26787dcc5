// All that makes runs of what happens in repositories: the addresses that are called, the worker, and the looks.

import type { FastifyInstance } from 'fastify'
import type { Configstore } from '../../configstore/api.ts'
import type { Database } from '../../datamanager/database.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { Runservice } from '../../runservice/api.ts'
import type { Maintenance } from '../maintenance.ts'
import type { GatewaySchema } from '../rows.ts'
import type { ProjectSources } from '../runs/project-sources.ts'
import { RecentDefinitions } from '../runs/recent-definitions.ts'
import { AcceptFirst } from './accept-first.ts'
import type { Inbox } from './inbox.ts'
import { lookAt } from './look.ts'
import { mountHooks } from './mount-hooks.ts'
import { performDelivery } from './perform.ts'
import { type PollLock, pollRepositories } from './poller.ts'
import { workOnDeliveries } from './worker.ts'

export type DeliveriesComponents = {
  readonly database: Database<GatewaySchema>
  readonly inbox: Inbox
  readonly configstore: Configstore
  readonly runservice: Runservice
  readonly sources: ProjectSources
  readonly maintenance: Pick<Maintenance, 'checkOpen'>
  /** Undefined while another instance looks at repositories; without it nobody does unasked. */
  readonly tryPollLock: ((signal: AbortSignal) => Promise<PollLock | undefined>) | undefined
  readonly clock: Clock
  readonly logger: Logger
}

/** Works from when the application is ready until it closes, which waits for what is under way. */
export function mountDeliveries(app: FastifyInstance, components: DeliveriesComponents): void {
  const { database, clock, tryPollLock } = components
  const acceptFirst = new AcceptFirst({ clock })
  mountHooks(app, { ...components, acceptFirst })
  const closing = new AbortController()
  let running: Promise<unknown> = Promise.resolve()
  app.addHook('onReady', async () => {
    const performing = {
      ...components,
      look: (...[project, repository, signal]: Parameters<Parameters<typeof performDelivery>[2]['look']>) =>
        lookAt(project, repository, { database, clock }, signal),
      readDefinition: new RecentDefinitions().read,
      turn: () => acceptFirst.turn(),
      now: () => clock.now(),
    }
    running = Promise.all([
      workOnDeliveries(
        {
          ...components,
          turn: () => acceptFirst.turn(),
          perform: (delivery, options, signal) => performDelivery(delivery, options, performing, signal),
        },
        closing.signal,
      ),
      tryPollLock === undefined ? undefined : pollRepositories({ ...components, tryLock: tryPollLock }, closing.signal),
    ])
  })
  app.addHook('onClose', async () => {
    closing.abort()
    await running
  })
}
