import { expect, test } from 'vitest'
import type { CascadeTask, CascadeWork } from '../../configstore/types.ts'
import { limits } from '../../lib/limits.ts'
import type { Logger } from '../../lib/log.ts'
import type { DeleteRunsRequest } from '../../runservice/api.ts'
import { followDeletions } from './follow-deletions.ts'

const now = 1_760_000_000_000
const source = { kind: 'remotesource', remoteSourceId: 'r', linkedAccountId: 'l', repositoryPath: 'a/b' } as Extract<
  CascadeWork,
  { kind: 'clean_remote' }
>['source']

/** Gives out one task, and tells what became of it. */
async function afterOne(work: CascadeWork, { ageMs = 0, calls = 1 } = {}) {
  const task: CascadeTask = { id: 't', createdAt: now - ageMs, attempts: 0, dueAt: now, work }
  const ended = Promise.withResolvers<string>()
  const warnings: string[] = []
  const deletions: DeleteRunsRequest[] = []
  const logger: Logger = {
    ...({ debug: () => {}, info: () => {}, error: () => {} } as unknown as Logger),
    warn: (message: string) => void warnings.push(message),
  }
  let given = false
  const waiting = (signal: AbortSignal | undefined) =>
    new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason), { once: true }))
  const following = followDeletions('h', {
    configstore: {
      claimTasks: async ({ kinds }, context) => {
        if (given || kinds[0] !== work.kind) return await waiting(context?.signal)
        given = true
        return { tasks: [task] }
      },
      renewTask: async () => ({ position: 1 }),
      completeTask: async () => {
        ended.resolve('done')
        return { position: 1 }
      },
      failTask: async ({ error }) => {
        ended.resolve(error)
        return { position: 1 }
      },
    },
    runservice: {
      deleteRunsOf: async (request) => {
        deletions.push(request)
        return { deleted: 1, isDone: deletions.length === calls }
      },
    },
    clock: {
      now: () => now,
      sleep: (_, signal) => waiting(signal),
      timeout: () => new AbortController().signal,
    },
    logger,
  })
  const outcome = await ended.promise
  await following[Symbol.asyncDispose]()
  return { outcome, warnings, deletions }
}

test('runs are deleted until none is left', async () => {
  const owner = { type: 'project', id: 'p1' } as const
  const { outcome, deletions } = await afterOne({ kind: 'delete_runs', owner }, { calls: 3 })
  expect(outcome).toBe('done')
  expect(deletions).toEqual([{ owner }, { owner }, { owner }])
})

test.each([
  ['nothing was set up there', {}, 0, 'done', []],
  ['there is a webhook', { remoteHookId: '7' }, 0, expect.stringContaining('still at their provider'), ['task failed']],
  [
    'there is a deploy key',
    { remoteDeployKeyId: '7' },
    limits.remoteCleaningMs.value - 1,
    expect.any(String),
    ['task failed'],
  ],
  [
    'it has been there for a week',
    { remoteHookId: '7' },
    limits.remoteCleaningMs.value,
    'done',
    ['what a deleted project has at its provider stays there: remove it by hand'],
  ],
] as const)('at a provider, when %s', async (_, remote, ageMs, outcome, warnings) => {
  const work = { kind: 'clean_remote', projectId: 'p1', source, ...remote } as const
  expect(await afterOne(work, { ageMs })).toMatchObject({ outcome, warnings })
})
