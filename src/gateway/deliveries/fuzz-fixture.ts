// Webhooks that are broken in every way one can think of, against the addresses that take them: nothing falls over, and nothing is
// accepted as work that is not signed, byte by byte, with the secret of the project.

import { createHmac } from 'node:crypto'
import { createRequire } from 'node:module'
import type { Project } from '../../configstore/types.ts'
import { isCommitSha, isRefName, type RepositoryEvent } from '../../gitsource/repository-event.ts'
import * as gitlabPayloads from '../../gitsource/webhooks/gitlab-payloads-fixture.ts'
import {
  recorded,
  recordedNames,
  recordedPayload,
  recordedProviders,
} from '../../gitsource/webhooks/recorded-fixture.ts'
import { eventNameOf, type WebhookProvider } from '../../gitsource/webhooks/webhook.ts'
import { createHttpApp } from '../../http/http-server.ts'
import { systemClock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import { AcceptFirst } from './accept-first.ts'
import type { NewDelivery } from './inbox.ts'
import { mountHooks } from './mount-hooks.ts'

export type FuzzCounts = {
  readonly accepted: number
  readonly ignored: number
  readonly refused: number
  readonly invalid: number
}

type Sample = { readonly provider: WebhookProvider; readonly event: string; readonly payload: unknown }
type Random = () => number
type Signing = 'right' | 'other secret' | 'other bytes' | 'missing' | 'cut'

const projectId = '0198f2b0-0000-7000-8000-000000000001'
const secret = 'the-secret-of-the-project'
const signings: readonly Signing[] = ['right', 'right', 'right', 'other secret', 'other bytes', 'missing', 'cut']

/** Throws at the first thing that must not be, with the number of the attempt and the seed that repeat it. */
export async function fuzzWebhooks({
  count,
  seed,
}: {
  readonly count: number
  readonly seed: number
}): Promise<FuzzCounts> {
  const samples = allSamples()
  const random = randomOf(seed)
  const counts = { accepted: 0, ignored: 0, refused: 0, invalid: 0 }
  let taken: NewDelivery[] = []
  const trouble: unknown[] = []
  const log = (message: string, fields: unknown) => void trouble.push({ message, fields })
  const logger: Logger = { debug: () => {}, info: () => {}, warn: log, error: log }
  const app = createHttpApp({ logger, trustProxy: false })
  const project = { id: projectId, hasWebhookSecret: true, source: { kind: 'git' } } as Project
  mountHooks(app, {
    configstore: {
      getProject: async () => project,
      projectCredentials: async () => ({ webhookSecret: secret }),
      getRemoteSource: () => Promise.reject(new Error('a project by its URL has none')),
    },
    inbox: {
      accept: async (delivery) => {
        taken.push(delivery)
        return { id: 'x', isRepeated: false }
      },
      refuse: async () => {},
    },
    maintenance: { checkOpen: () => {} },
    acceptFirst: new AcceptFirst({ clock: systemClock }),
  })
  await app.ready()
  for (let attempt = 0; attempt < count; attempt++) {
    taken = []
    const { provider, event, payload } = pick(samples, random)
    const body = mutatedBytes(JSON.stringify(mutated(structuredClone(payload), random)), random)
    const signing = pick(signings, random)
    const headers = headersOf({ provider, event, body, signing }, random)
    const { statusCode } = await app.inject({ method: 'POST', url: `/webhooks/${projectId}`, headers, payload: body })
    const isRight = signing === 'right' || (signing === 'other bytes' && provider === 'gitlab') // Its token is not of the bytes.
    const problem = problemOf({ statusCode, isRight, taken, trouble })
    if (problem !== undefined)
      throw new Error(
        `seed ${seed}, attempt ${attempt}: ${problem}: ${provider} ${event} ${body.toString().slice(0, 2000)}`,
      )
    if (statusCode === 403) counts.refused++
    else if (statusCode !== 202) counts.invalid++
    else if (taken.some((delivery) => !('outcome' in delivery))) counts.accepted++
    else counts.ignored++
  }
  await app.close()
  return counts
}

type Answered = {
  readonly statusCode: number
  readonly isRight: boolean
  readonly taken: readonly NewDelivery[]
  readonly trouble: readonly unknown[]
}

function problemOf({ statusCode, isRight, taken, trouble }: Answered): string | undefined {
  if (trouble.length > 0) return `trouble of the server: ${JSON.stringify(trouble)}`
  if (![202, 400, 403].includes(statusCode)) return `answered with ${statusCode}`
  if (!isRight) return taken.length > 0 || statusCode !== 403 ? `taken without a signature (${statusCode})` : undefined
  if (statusCode === 403) return 'refused though it is signed'
  if (taken.length !== 1) return 'signed, and not recorded'
  const [delivery] = taken
  const row = Buffer.byteLength(JSON.stringify(delivery))
  if (row > 60 * 1024) return `a row of ${row} bytes`
  const work = delivery?.work
  return work?.kind === 'event' && !('outcome' in delivery!) ? eventProblem(work.event) : undefined
}

/** What goes to git and to browsers. */
function eventProblem({ ref, commitSha, links, ...event }: RepositoryEvent): string | undefined {
  if (!isRefName(ref) || ref.startsWith('-')) return `the ref ${JSON.stringify(ref)}`
  if (commitSha !== undefined && !isCommitSha(commitSha)) return `the commit ${JSON.stringify(commitSha)}`
  const link = Object.values(links).find((one) => !/^https?:\/\//i.test(one))
  if (link !== undefined) return `the link ${JSON.stringify(link)}`
  if (event.kind === 'pull_request' && !/^[1-9]\d*$/.test(event.pullRequestId))
    return `the number ${event.pullRequestId}`
  return undefined
}

function allSamples(): readonly Sample[] {
  type Examples = readonly { readonly name: string; readonly examples: readonly unknown[] }[]
  const github = createRequire(import.meta.url)('@octokit/webhooks-examples/api.github.com/index.json') as Examples
  const named = github.filter(({ name }) =>
    ['push', 'pull_request', 'ping', 'create', 'delete', 'release'].includes(name),
  )
  const eventOf = (name: string) =>
    name.includes('MergeRequest') ? 'Merge Request Hook' : name.includes('Tag') ? 'Tag Push Hook' : 'Push Hook'
  const ofGitlab = Object.entries(gitlabPayloads).flatMap(([name, payload]): Sample[] =>
    typeof payload === 'object' ? [{ provider: 'gitlab', event: eventOf(name), payload }] : [],
  )
  const ofOthers = recordedProviders.flatMap((provider) =>
    recordedNames(provider).map((name): Sample => {
      const event = eventNameOf(recorded(provider, name).headers, provider)
      return { provider, event, payload: recordedPayload(provider, name) }
    }),
  )
  const ofGithub = named.flatMap(({ name, examples }) =>
    examples.map((payload): Sample => ({ provider: 'github', event: name, payload })),
  )
  // About as often as those of GitHub, of which there are many.
  return [...ofGithub, ...ofOthers, ...Array.from({ length: 5 }, () => ofGitlab).flat()]
}

const odd: readonly unknown[] = [
  null,
  '',
  0,
  -1,
  1.5,
  1e300,
  true,
  false,
  [],
  {},
  [[]],
  'x',
  '\u0000',
  '💥',
  '\ud800',
  '--upload-pack=x',
  '../../etc',
  'refs/heads/',
  'refs/heads/a:refs/heads/b',
  'refs/heads/a b',
  'refs/heads/-x',
  'refs/heads/x.lock',
  'refs/tags/v1',
  'javascript:alert(1)',
  'https://x/"onload=',
  '0'.repeat(40),
  'f'.repeat(64),
  'f'.repeat(39),
  'F'.repeat(40),
  'x'.repeat(100_000),
  { __proto__: null, id: 1 },
]

/** Some members replaced, removed, moved or doubled, at any depth. */
function mutated(value: unknown, random: Random): unknown {
  const changes = Math.floor(random() * 4)
  let root = value
  for (let i = 0; i < changes; i++) root = mutateOnce(root, random)
  return root
}

function mutateOnce(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random() < 0.02) return structuredClone(pick(odd, random))
  const object = value as Record<string, unknown>
  const names = Object.keys(object)
  if (names.length === 0) return structuredClone(pick(odd, random))
  const name = pick(names, random)
  const way = random()
  if (way < 0.15) delete object[name]
  else if (way < 0.4) object[name] = structuredClone(pick(odd, random))
  else if (way < 0.5) object[name] = structuredClone(object[pick(names, random)])
  else if (way < 0.55)
    Object.defineProperty(object, '__proto__', {
      value: object[name],
      enumerable: true,
      configurable: true,
      writable: true,
    })
  else object[name] = mutateOnce(object[name], random)
  return object
}

function mutatedBytes(text: string, random: Random): Buffer {
  const bytes = Buffer.from(text)
  if (random() < 0.85 || bytes.length === 0) return bytes
  const at = Math.floor(random() * bytes.length)
  if (random() < 0.5) return bytes.subarray(0, at)
  bytes[at] = Math.floor(random() * 256)
  return bytes
}

type Sent = {
  readonly provider: WebhookProvider
  readonly event: string
  readonly body: Buffer
  readonly signing: Signing
}

function headersOf({ provider, event, body, signing }: Sent, random: Random): Record<string, string> {
  const signed = signing === 'other bytes' ? Buffer.concat([body, Buffer.from(' ')]) : body
  const key = signing === 'other secret' ? `${secret}x` : secret
  const whole = provider === 'gitlab' ? key : createHmac('sha256', key).update(signed).digest('hex')
  const signature = signing === 'cut' ? whole.slice(0, Math.floor(random() * whole.length)) : whole
  const name = {
    github: 'x-hub-signature-256',
    gitlab: 'x-gitlab-token',
    gitea: 'x-gitea-signature',
    forgejo: 'x-forgejo-signature',
  }[provider]
  return {
    'content-type':
      random() < 0.95 ? 'application/json' : pick(['application/x-www-form-urlencoded', 'text/plain'], random),
    [`x-${provider}-event`]:
      random() < 0.95 ? event : pick(['', 'push', 'pull_request', '__proto__', 'x'.repeat(500)], random) || 'x',
    ...(signing === 'missing' ? {} : { [name]: provider === 'github' ? `sha256=${signature}` : signature }),
    ...(random() < 0.5 ? {} : { [`x-${provider}-delivery`]: pick(['a', 'é', 'x'.repeat(300)], random) }),
  }
}

function pick<T>(items: readonly T[], random: Random): T {
  return items[Math.floor(random() * items.length)]!
}

/** mulberry32: the same numbers for a seed everywhere. */
function randomOf(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
