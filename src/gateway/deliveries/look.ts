// A look at a repository: what has changed since the last one becomes deliveries, in the transaction that remembers what was seen.

import { createHash } from 'node:crypto'
import type { Project } from '../../configstore/types.ts'
import type { Database, Transaction } from '../../datamanager/database.ts'
import type { Ref } from '../../gitsource/git-source.ts'
import { isRefName } from '../../gitsource/repository-event.ts'
import { branchOrTag } from '../../gitsource/webhooks/payload.ts'
import type { Clock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { newUuid } from '../../lib/uuid.ts'
import type { GatewaySchema } from '../rows.ts'
import type { ProjectRepository } from '../runs/project-sources.ts'
import type { LookedAt } from './delivery.ts'
import { add, seenRefId } from './inbox.ts'
import { laneOfUrl } from './lane.ts'
import type { LookResult } from './perform.ts'

export type LookComponents = { readonly database: Database<GatewaySchema>; readonly clock: Clock }

type Tx = Transaction<GatewaySchema>

/** Of one transaction. */
const refsAtOnce = 500
/** Others look at the same time; each time one of them gets further. */
const roundsMost = 10

/**
 * The first look, and the first at another URL, only remembers. Errors: those of the repository, `limit_exceeded`,
 * `commit_conflict` when others look all the time.
 */
export async function lookAt(
  project: Pick<Project, 'id'>,
  { source, cloneUrl }: ProjectRepository,
  components: LookComponents,
  signal: AbortSignal,
): Promise<LookResult> {
  const { database } = components
  for (let round = 0; round < roundsMost; round++) {
    // Read before the repository is asked: what somebody else has noted since is newer than what is seen here.
    const before = database.view((tx) => tx.get('lookedat', project.id))
    const refs = (await source.listRefs(signal)).filter(
      ({ name }) => isRefName(name) && branchOrTag(name) !== undefined,
    )
    const digest = digestOf(refs)
    const isFirst = before === undefined || before.url !== cloneUrl || before.digest === ''
    if (!isFirst && before.digest === digest && before.trouble === undefined) return { isFirst, changed: 0 }
    const input = { projectId: project.id, url: cloneUrl, refs, digest, isFirst, generation: before?.generation ?? 0 }
    const changed = await note(input, components)
    if (changed !== undefined) return { isFirst, changed }
  }
  throw new SlipwayError('commit_conflict', 'others look at the repository at the same time')
}

type Noting = {
  readonly projectId: string
  readonly url: string
  readonly refs: readonly Ref[]
  readonly digest: string
  readonly isFirst: boolean
  readonly generation: number
}

/** How many have changed; undefined when somebody else was faster. */
async function note(input: Noting, { database, clock }: LookComponents): Promise<number | undefined> {
  const { projectId, url, refs, isFirst } = input
  const changes = database.view((tx) => changesOf(tx, input))
  const started = isFirst ? 0 : Math.min(changes.moved.length, limits.refsPerLook.value)
  const now = clock.now()
  const deliveryIds = changes.moved.slice(0, started + 1).map(() => newUuid(now))
  let { generation } = input
  const parts = Math.max(1, Math.ceil(Math.max(changes.moved.length, changes.gone.length) / refsAtOnce))
  for (let part = 0; part < parts; part++) {
    const [from, to] = [part * refsAtOnce, (part + 1) * refsAtOnce]
    const isLast = part === parts - 1
    const { result: isOurs } = await database.do((tx) => {
      if ((tx.get('lookedat', projectId)?.generation ?? 0) !== generation) return false
      // A first look that is broken off begins anew; another one goes on with what is still different.
      const state: LookedAt = {
        url,
        generation: generation + 1,
        digest: isLast ? input.digest : isFirst ? '' : 'partly',
      }
      tx.put('lookedat', projectId, state)
      for (const id of changes.gone.slice(from, to)) tx.delete('seenref', id)
      for (const [index, { name: ref, commitSha }] of changes.moved.slice(from, to).entries()) {
        const isStarted = from + index < started
        const by = isStarted ? 'look' : 'remembered'
        tx.put('seenref', seenRefId(projectId, ref), { projectId, ref, commitSha, by })
        if (isStarted) addEvent(tx, deliveryIds[from + index]!, { projectId, url, ref, commitSha, now })
      }
      if (isLast && !isFirst && started < changes.moved.length) {
        const message = `${changes.moved.length - started} more branches and tags have changed at once (refsPerLook)`
        const outcome = { kind: 'ignored', message } as const
        add(tx, deliveryIds[started]!, { projectId, source: 'poll', event: 'look', outcome }, now)
      }
      return true
    })
    if (!isOurs) return undefined
    generation++
  }
  return isFirst ? refs.length : changes.moved.length
}

function addEvent(
  tx: Tx,
  id: string,
  {
    projectId,
    url,
    ref,
    commitSha,
    now,
  }: {
    readonly projectId: string
    readonly url: string
    readonly ref: string
    readonly commitSha: string
    readonly now: number
  },
): void {
  const named = branchOrTag(ref)
  if (named === undefined) return
  const event = { ...named, ref, commitSha, sender: '', links: {} }
  const name = named.kind === 'tag' ? 'tag' : 'push'
  add(tx, id, { projectId, lane: laneOfUrl(url), source: 'poll', event: name, work: { kind: 'event', event } }, now)
}

function changesOf(
  tx: Pick<Tx, 'list'>,
  { projectId, refs, isFirst }: Noting,
): { readonly moved: readonly Ref[]; readonly gone: readonly string[] } {
  const seen = new Map(
    tx.list('seenref', { index: 'byProject', prefix: [projectId] }).map(({ id, body }) => [id, body]),
  )
  const names = new Set(refs.map(({ name }) => seenRefId(projectId, name)))
  return {
    moved: refs.filter(({ name, commitSha }) => {
      const known = seen.get(seenRefId(projectId, name))
      return isFirst || known?.commitSha !== commitSha
    }),
    gone: [...seen.keys()].filter((id) => !names.has(id)),
  }
}

function digestOf(refs: readonly Ref[]): string {
  const hash = createHash('sha256')
  for (const { name, commitSha } of refs.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
    hash.update(`${name} ${commitSha}\n`)
  return hash.digest('hex')
}
