// The queue as people see it: tasks that wait for an executor, tasks that wait for approval, and runs that wait for the run
// before them, each with the reason. Read by pages from indexes, never as a whole.

import type { ReadTransaction } from '../../datamanager/database.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { placementInput } from '../orders/placement-rows.ts'
import type { Reason } from '../reasons.ts'
import type { RunserviceSchema } from '../row-types.ts'
import { runWaitingReasonOf } from '../runs/waiting.ts'
import { place } from '../scheduler/place.ts'
import { type GraphCache, getRun, loadConfigTasks } from '../stimulus.ts'
import type { QueueEntry, QueueOptions, QueuePage } from './executor-admin.ts'
import type { ExecutorRows } from './executor-rows.ts'

type Tx = ReadTransaction<RunserviceSchema>

/** In this order; a cursor names one and where to go on in its index. */
const sections = ['ready', 'approval', 'run'] as const
type Section = (typeof sections)[number]
type Cursor = { readonly section: Section; readonly after: readonly (string | number)[]; readonly position: number }

const pageDefault = 25
const pageMax = 100

/** Errors: `queue_cursor_invalid`. */
export function listQueue(
  tx: Tx,
  { cursor, limit = pageDefault }: QueueOptions,
  { graphs, executors }: { readonly graphs: GraphCache; readonly executors: ExecutorRows },
): QueuePage {
  const wanted = Math.max(1, Math.min(limit, pageMax))
  const begin = cursor === undefined ? undefined : decodeCursor(cursor)
  const items: QueueEntry[] = []
  let last: Omit<Cursor, 'position'> | undefined
  let position = begin?.position ?? 0
  const reasons = lazily(() => place(placementInput(tx, executors)).waiting)
  for (const section of sections.slice(begin === undefined ? 0 : sections.indexOf(begin.section))) {
    if (items.length === wanted) break
    const after = begin?.section === section ? begin.after : undefined
    for (const row of readSection(tx, section, { after, limit: wanted - items.length })) {
      items.push({ position: ++position, ...entryOf(tx, row, { graphs, reasons }) })
      last = { section, after: row.key }
    }
  }
  const total =
    tx.count('ready') +
    tx.count('runtask', { index: 'byApproval' }) +
    tx.count('run', { index: 'byPhase', prefix: ['queued'] })
  const nextCursor = last !== undefined && position < total ? encodeCursor({ ...last, position }) : undefined
  return { items, total, ...(nextCursor === undefined ? {} : { nextCursor }) }
}

type SectionRow = { readonly key: readonly (string | number)[]; readonly runId: string } & (
  | { readonly kind: 'ready'; readonly taskId: string; readonly since: number; readonly requirementKey: string }
  | { readonly kind: 'approval'; readonly taskId: string }
  | { readonly kind: 'run' }
)

function readSection(
  tx: Tx,
  section: Section,
  { after, limit }: { readonly after: readonly (string | number)[] | undefined; readonly limit: number },
): readonly SectionRow[] {
  const options = { limit, ...(after === undefined ? {} : { after }) }
  switch (section) {
    case 'ready':
      return tx.list('ready', { index: 'byTime', ...options }).map(({ id, body }) => ({
        kind: 'ready',
        key: [body.readySince, id],
        runId: body.runId,
        taskId: body.taskId,
        since: body.readySince,
        requirementKey: body.requirement.key,
      }))
    case 'approval':
      return tx
        .list('runtask', { index: 'byApproval', ...options })
        .map(({ id, body }) => ({ kind: 'approval', key: [body.runId, id], runId: body.runId, taskId: body.id }))
    case 'run':
      return tx
        .list('run', { index: 'byPhase', prefix: ['queued'], ...options })
        .map(({ id, body }) => ({ kind: 'run', key: ['queued', body.sequence, id], runId: id }))
  }
}

function entryOf(
  tx: Tx,
  row: SectionRow,
  { graphs, reasons }: { readonly graphs: GraphCache; readonly reasons: () => ReadonlyMap<string, Reason> },
): Omit<QueueEntry, 'position'> {
  const run = getRun(tx, row.runId)
  const facts = { runId: run.id, runCounter: run.counter, runName: run.name, group: run.group }
  if (row.kind === 'run')
    return {
      ...facts,
      since: run.enqueuedAt,
      reason: runWaitingReasonOf(tx, run) ?? { kind: 'waiting_dependencies', tasks: [] },
    }
  const config = loadConfigTasks(tx, run.runConfigId, graphs).tasks.find(({ id }) => id === row.taskId)
  const arch = config?.runtime.arch
  const task = { id: row.taskId, name: config?.name ?? row.taskId, ...(arch === undefined ? {} : { arch }) }
  if (row.kind === 'approval')
    return { ...facts, task, since: run.startedAt ?? run.enqueuedAt, reason: { kind: 'waiting_approval' } }
  // A class whose head is placed by the next transaction has no reason of its own: it waits for a slot for a moment.
  const reason = reasons().get(row.requirementKey) ?? { kind: 'waiting_slot', executors: [], limit: 0 }
  return { ...facts, task, since: row.since, reason }
}

function encodeCursor(cursor: Cursor): string {
  return Buffer.from(JSON.stringify([cursor.section, cursor.after, cursor.position])).toString('base64url')
}

function decodeCursor(text: string): Cursor {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    const [section, after, position] = parsed as [unknown, unknown, unknown]
    const isKey = Array.isArray(after) && after.every((part) => typeof part === 'string' || Number.isSafeInteger(part))
    if (isSection(section) && isKey && after.length > 0 && Number.isSafeInteger(position) && Number(position) >= 0)
      return { section, after, position: Number(position) }
  } catch {
    // Said below.
  }
  throw new SlipwayError('queue_cursor_invalid', 'the cursor is none of this list')
}

const isSection = (value: unknown): value is Section => sections.some((section) => section === value)

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
