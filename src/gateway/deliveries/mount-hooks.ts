// Where providers and git servers call: `POST /webhooks/PROJECT`, and `POST /hooks/PROJECT/TOKEN` for servers that cannot sign. Nothing
// of a request is believed before its signature is right, and it is answered as soon as it is stored.

import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Configstore } from '../../configstore/api.ts'
import type { Project, RemoteSourceType } from '../../configstore/types.ts'
import {
  deliveryKeyOf,
  eventNameOf,
  isSigned,
  type ParsedWebhook,
  parseWebhook,
  providerOf,
  type Webhook,
  type WebhookProvider,
} from '../../gitsource/webhooks/webhook.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Maintenance } from '../maintenance.ts'
import type { AcceptFirst } from './accept-first.ts'
import { isHookToken, webhookSecretsOf } from './hook-token.ts'
import type { Inbox } from './inbox.ts'
import { laneOfProject } from './lane.ts'

export type HooksComponents = {
  readonly configstore: Pick<Configstore, 'getProject' | 'projectCredentials' | 'getRemoteSource'>
  readonly inbox: Pick<Inbox, 'accept' | 'refuse'>
  readonly maintenance: Pick<Maintenance, 'checkOpen'>
  readonly acceptFirst: AcceptFirst
}

/** Errors of the routes: `project_not_found`, `webhook_refused`, `request_invalid`, `request_too_large`, `rate_limited`. */
export function mountHooks(app: FastifyInstance, components: HooksComponents): void {
  const { configstore, inbox, maintenance, acceptFirst } = components
  const findProject = async (request: FastifyRequest) => {
    maintenance.checkOpen()
    // Before the body: strangers do not make the server read it.
    const { projectId } = request.params as { projectId: string }
    if (!/^[0-9a-f-]{36}$/.test(projectId)) throw new SlipwayError('project_not_found', 'there is no such project')
    return await configstore.getProject({ project: projectId })
  }
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    scope.decorateRequest('project')
    // Of a request that is given up as well: only then is its answer closed without having been sent.
    scope.addHook('onRequest', (_request, reply, done) => {
      const taken = acceptFirst.take()
      reply.raw.once('close', () => taken[Symbol.dispose]())
      done()
    })
    scope.addHook('onRequest', async (request) => {
      request.project = await findProject(request)
    })
    scope.post('/webhooks/:projectId', { bodyLimit: limits.webhookBytes.value }, async (request, reply) => {
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
      const delivery = await takeWebhook(request.project!, { headers: request.headers, body }, components)
      return await reply.status(202).send({ delivery })
    })
    scope.post('/hooks/:projectId/:token', async (request, reply) => {
      const { token } = request.params as { token: string }
      const project = request.project!
      const secrets = webhookSecretsOf(await configstore.projectCredentials({ project: project.id }))
      if (!isHookToken(token, secrets)) throw await refused(project, 'hook', 'hook', inbox)
      const { id } = await inbox.accept({
        projectId: project.id,
        lane: laneOfProject(project),
        source: 'hook',
        event: 'hook',
        work: { kind: 'look' },
      })
      return await reply.status(202).send({ delivery: id })
    })
  })
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Of a hook. */
    project: Project | undefined
  }
}

async function takeWebhook(
  project: Project,
  webhook: Webhook,
  { configstore, inbox }: HooksComponents,
): Promise<string> {
  const provider = providerOf(webhook.headers)
  if (provider === undefined)
    throw new SlipwayError('request_invalid', 'the headers are none of GitHub, GitLab, Gitea or Forgejo')
  const event = eventNameOf(webhook.headers, provider)
  const secrets = webhookSecretsOf(await configstore.projectCredentials({ project: project.id }))
  if (!isSigned(webhook, provider, secrets)) throw await refused(project, provider, event, inbox)
  const key = deliveryKeyOf(webhook, provider)
  const common = { projectId: project.id, lane: laneOfProject(project), source: provider, event, key }
  try {
    const parsed = parseWebhook(webhook, provider)
    await checkOrigin(project, provider, parsed, configstore)
    const path = parsed.repositoryPath === undefined ? {} : { repositoryPath: parsed.repositoryPath }
    const { id } = await inbox.accept(
      parsed.kind === 'event'
        ? { ...common, work: { kind: 'event', event: parsed.event, ...path } }
        : { ...common, outcome: { kind: 'ignored', message: parsed.why }, ref: parsed.ref ?? '' },
    )
    return id
  } catch (error) {
    if (isSlipwayError(error, 'request_invalid') || isSlipwayError(error, 'webhook_refused'))
      await inbox.accept({ ...common, outcome: { kind: 'failed', message: error.message } })
    throw error
  }
}

/** With a provider that is known, it has to be that one and tell of the project's own repository. */
async function checkOrigin(
  { source }: Project,
  provider: WebhookProvider,
  { repositoryId }: ParsedWebhook,
  configstore: Pick<Configstore, 'getRemoteSource'>,
): Promise<void> {
  if (source.kind !== 'remotesource') return
  const { type } = await configstore.getRemoteSource({ remoteSource: source.remoteSourceId })
  // Forgejo and Gitea became two of one, and one replaces the other.
  const kindOf = (name: RemoteSourceType) => (name === 'forgejo' ? 'gitea' : name)
  if (kindOf(type) !== kindOf(provider))
    throw new SlipwayError('webhook_refused', `the project is at ${type}, this is a webhook of ${provider}`)
  if (repositoryId !== source.repositoryId)
    throw new SlipwayError('webhook_refused', 'the webhook tells of another repository than that of the project')
}

async function refused(
  project: Project,
  source: WebhookProvider | 'hook',
  event: string,
  inbox: Pick<Inbox, 'refuse'>,
): Promise<SlipwayError> {
  const message = project.hasWebhookSecret
    ? source === 'hook'
      ? 'the address of the hook is not that of the project: its secret was replaced'
      : 'the signature is missing or wrong: the secret there is not that of the project'
    : 'the project takes no webhooks: it has no secret for them'
  await inbox.refuse(project.id, source, event, message)
  return new SlipwayError('webhook_refused', message)
}
