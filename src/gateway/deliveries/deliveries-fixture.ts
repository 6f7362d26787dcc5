// A project with a repository in memory whose webhooks can be sent, signed as providers sign them.

import { createHmac } from 'node:crypto'
import type { NewProject } from '../../configstore/api.ts'
import { aProject } from '../../configstore/configstore-fixture.ts'
import { until } from '../../runservice/service-fixture.ts'
import type { TestGateway } from '../gateway-fixture.ts'
import { FakeRepository } from '../repository-fixture.ts'

export type DeliveryView = {
  readonly id: string
  readonly source: string
  readonly event: string
  readonly ref?: string
  readonly state: string
  readonly message: string
  readonly repeats: number
  readonly runIds: readonly string[]
}

export type Hooked = {
  readonly id: string
  readonly repository: FakeRepository
  readonly secret: string
  readonly hookPath: string
  /** Sends it as GitHub does; the status of the answer. */
  webhook(event: string, payload: unknown, options?: WebhookOptions): Promise<number>
  /** As it is now. */
  list(): Promise<readonly DeliveryView[]>
  /** Once nothing waits any more. */
  deliveries(): Promise<readonly DeliveryView[]>
  runs(): Promise<readonly RunSummary[]>
}

export type RunSummary = {
  readonly id: string
  readonly name: string
  readonly group: string
  readonly phase: string
  readonly annotations: Readonly<Record<string, string>>
}

export type WebhookOptions = {
  readonly id?: string
  readonly secret?: string
  readonly headers?: Readonly<Record<string, string>>
}

export const definition = (name: string, more: object = {}) =>
  JSON.stringify({
    runs: [
      {
        name,
        tasks: [{ name: 'a', runtime: { containers: [{ image: 'alpine' }] }, steps: [{ run: 'true' }] }],
        ...more,
      },
    ],
  })
export const withDefinition = (name = 'build') => ({ '.slipway/config.json': definition(name) })

let counter = 0

/** Known by its first look: what is pushed from now on is news. */
export async function aHookedProject(
  gateway: TestGateway,
  repositories: Map<string, FakeRepository>,
  settings: Partial<NewProject> = {},
): Promise<Hooked> {
  const repository = new FakeRepository()
  const url = `https://git.example/${++counter}.git`
  repositories.set(url, repository)
  const source = { kind: 'git', url, auth: 'none', pollIntervalMs: 0 } as const
  const { id } = await aProject(gateway.configstore, `user/ann/hooked${counter}`, { source, ...settings })
  const token = await gateway.tokenOf('ann')
  const { body } = await gateway.ask(`POST /projects/${id}/webhook-secret`, { token })
  const { secret, hookUrl } = body as { secret: string; hookUrl: string }
  const list = async () =>
    ((await gateway.ask(`GET /projects/${id}/deliveries?limit=100`, { token })).body as { items: DeliveryView[] }).items
  const settled = async () => {
    await until(async () => (await list()).every(({ state }) => state !== 'queued'))
    return await list()
  }
  await settled()
  return {
    id,
    repository,
    secret,
    hookPath: hookUrl,
    webhook: async (event, payload, options = {}) =>
      await sendAsGithub(`${gateway.url}/webhooks/${id}`, event, payload, { secret, ...options }),
    list,
    deliveries: settled,
    runs: async () => {
      await settled()
      const { body } = await gateway.ask(`GET /projects/${id}/runs?limit=100`, { token })
      return (body as { items: RunSummary[] }).items
    },
  }
}

/** The status of the answer. */
export async function sendAsGithub(
  url: string,
  event: string,
  payload: unknown,
  { id = `d${++counter}`, secret, headers }: WebhookOptions & { readonly secret: string },
): Promise<number> {
  const body = JSON.stringify(payload)
  const signature = createHmac('sha256', secret).update(body).digest('hex')
  const answer = await fetch(url, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'x-github-event': event,
      'x-github-delivery': id,
      'x-hub-signature-256': `sha256=${signature}`,
      ...headers,
    },
  })
  await answer.arrayBuffer()
  return answer.status
}

/** A push as GitHub tells it, of what was pushed to the repository. */
export function pushOf(ref: string, sha: string, message = 'work'): object {
  return { ref, after: sha, deleted: false, head_commit: { id: sha, message }, sender: { login: 'ann' } }
}

export type PullRequestOptions = { readonly action?: string; readonly isFork?: boolean; readonly number?: number }

export function pullRequestOf(
  sha: string,
  { action = 'opened', isFork = false, number = 7 }: PullRequestOptions = {},
): object {
  return {
    action,
    pull_request: {
      id: 4711,
      number,
      state: action === 'closed' ? 'closed' : 'open',
      title: 'A change',
      head: { sha, repo: { id: isFork ? 2 : 1 } },
      base: { ref: 'main', repo: { id: 1 } },
    },
    sender: { login: 'eve' },
  }
}
