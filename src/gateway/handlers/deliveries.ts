// What came about repositories of projects.

import { pageLimitDefault } from '../../contract/schemas/common.ts'
import { invariant } from '../../lib/errors.ts'
import { hookTokenOf } from '../deliveries/hook-token.ts'
import type { DeliveryRow, Inbox } from '../deliveries/inbox.ts'
import { laneOfProject } from '../deliveries/lane.ts'
import type { HandlersOf } from '../routes/handler.ts'
import type { GatewaySettings } from '../settings.ts'
import { lookAgain } from '../streams/look-again.ts'
import { timeText } from '../views/time.ts'
import { accessOf, treeGuardOf, written } from './common.ts'
import { type RemoteProjectsComponents, reconfigure } from './remote-projects.ts'

type Ids = 'listDeliveries' | 'watchDeliveries' | 'redeliver' | 'createWebhookSecret'

export type DeliveryHandlersComponents = RemoteProjectsComponents & {
  readonly inbox: Inbox
  readonly settings: Pick<GatewaySettings, 'publicUrl'>
}

export function deliveryHandlers(components: DeliveryHandlersComponents): HandlersOf<Ids> {
  const { configstore, inbox, settings, clock } = components
  const shown = (projectId: string, limit: number = pageLimitDefault, cursor?: string) => {
    const page = inbox.list(projectId, { limit, ...(cursor === undefined ? {} : { cursor }) })
    return {
      items: page.items.map(deliveryView),
      ...(page.nextCursor === undefined ? {} : { nextCursor: page.nextCursor }),
    }
  }
  return {
    listDeliveries: ({ query }, context) => shown(accessOf(context).id, query.limit, query.cursor),

    watchDeliveries: async function* (_, context) {
      const { id } = accessOf(context)
      const position = async () => inbox.position
      for await (const { value } of lookAgain(
        { deliveries: () => shown(id) },
        { position, clock, signal: context.signal },
      ))
        yield { event: 'deliveries', data: value }
    },

    redeliver: async ({ params }, context) =>
      deliveryView(await inbox.redeliver(accessOf(context).id, params.deliveryId, context.call)),

    createWebhookSecret: async (_, context) => {
      const project = accessOf(context).id
      const { expectedOwnerId } = treeGuardOf(context)
      const input = { project, webhookSecret: 'new', expectedOwnerId } as const
      const { source } = written(context, await configstore.setProjectCredentials(input, context.call))
      const { webhookSecret: secret } = await configstore.projectCredentials({ project }, context.call)
      invariant(secret !== undefined, 'a secret that was made is there')
      // The provider signs with it from now on; what is on its way with the one before is taken as well.
      if (source.kind === 'remotesource') await reconfigure(context, components)
      // What is there when the hook is set up is no news: only what comes after it starts runs.
      if (source.kind === 'git')
        await inbox.accept(
          {
            projectId: project,
            lane: laneOfProject({ source }),
            source: 'hook',
            event: 'first look',
            work: { kind: 'look' },
          },
          context.call,
        )
      const base = settings.publicUrl ?? ''
      return {
        webhookUrl: `${base}/webhooks/${project}`,
        secret,
        hookUrl: `${base}/hooks/${project}/${hookTokenOf(secret)}`,
      }
    },
  }
}

function deliveryView({ id, body }: DeliveryRow) {
  const { receivedAt, source, event, ref, commitSha, sender, repeats, redeliveryOf, work, outcome, queued } = body
  return {
    id,
    receivedAt: timeText(receivedAt),
    source,
    event,
    ...(ref === '' ? {} : { ref }),
    ...(commitSha === undefined ? {} : { commitSha }),
    ...(sender === '' ? {} : { sender }),
    repeats,
    ...(redeliveryOf === undefined ? {} : { redeliveryOf }),
    canRedeliver: work !== undefined,
    state: outcome?.kind ?? ('queued' as const),
    message: outcome?.message ?? queued?.lastError ?? '',
    runIds: [...(outcome?.runIds ?? [])],
    notCreated: [...(outcome?.notCreated ?? [])],
  }
}
