// A scripted day: people start runs through several gateways while processes are killed; afterwards everything that was accepted has
// ended well, once.

import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiClient } from '../../src/contract/client.ts'
import { errorMessage } from '../../src/lib/errors.ts'
import { definition } from '../cli/command.ts'
import { createPeople, type People, patienceMs } from './people.ts'
import type { ProcessGroup } from './process-group.ts'

export type DayOptions = {
  readonly runs: number
  /** Milliseconds between two kills. */
  readonly killEveryMs: number
  /** 0 to below 1. */
  readonly random: () => number
  /** Processes that get another program while work goes on, one after the other, spread over the day. */
  readonly replacements?: readonly Replacement[]
}

export type Replacement = { readonly name: string; readonly program: string }

export type DayReport = {
  readonly accepted: number
  readonly kills: number
  /** What does not hold; none is what it should be. */
  readonly wrong: readonly string[]
}

const linesPerTask = 40
/** Runs that people have begun and that have not ended: with more, work would pile up and be done when nobody is killed any more. */
const unfinishedMax = 50
const afterworkMs = 5000
/** Processes that are away at the same time. */
const downMax = 4

export async function spendDay(
  group: ProcessGroup,
  { runs, killEveryMs, random, replacements = [] }: DayOptions,
): Promise<DayReport> {
  await using begun = await startBeginCounter()
  const people = createPeople(group)
  const source = { kind: 'none' } as const
  const project = await people.insist((client) =>
    client.call('createProject', { body: { name: 'web', source }, idempotencyKey: 'project' }),
  )
  const evening = new AbortController()
  let kills = 0
  const wrong: string[] = []
  const fails = (error: unknown) => void wrong.push(errorMessage(error))
  const down = new Map<string, Promise<void>>()
  const away = (name: string, coming: Promise<void>) =>
    down.set(
      name,
      coming.catch(fails).finally(() => down.delete(name)),
    )
  const killing = (async () => {
    while (!evening.signal.aborted) {
      await sleep(killEveryMs, undefined, { signal: evening.signal }).catch(() => {})
      const standing = group.names.filter((name) => !down.has(name))
      const name = standing[Math.floor(random() * standing.length)]
      if (evening.signal.aborted || name === undefined || down.size >= downMax) continue
      const pause = 500 * random()
      const comeBack = async () => {
        await group.kill(name)
        kills++
        await sleep(pause)
        await group.start(name)
      }
      away(name, comeBack())
    }
    await Promise.all(down.values())
  })()
  const accepted = new Map<string, string>()
  const looking: Promise<void>[] = []
  const work = { unfinished: 0, endedAt: Date.now() }
  const look = async (runId: string, mark: string) => {
    work.unfinished++
    wrong.push(...(await faultsOf(people, { runId, mark }, work)))
    work.unfinished--
    work.endedAt = Date.now()
  }
  const startOne = async () => {
    const mark = randomUUID()
    const run = await people.insist((client) =>
      client.call('createProjectRuns', {
        params: { projectRef: project.id },
        body: {
          branch: `b${Math.floor(random() * 8)}`,
          commitSha: 'a'.repeat(40),
          definition: { fileName: 'config.json', content: definition(tasksOf(mark, begun.port)) },
        },
        idempotencyKey: mark,
      }),
    )
    accepted.set(run.runs[0]!.id, mark)
    looking.push(look(run.runs[0]!.id, mark).catch(fails))
  }
  const replacing = (async () => {
    for (const [index, { name, program }] of replacements.entries()) {
      while (accepted.size < (runs * (index + 1)) / (replacements.length + 1) && wrong.length === 0) await sleep(50)
      while (down.has(name)) await down.get(name)
      away(name, group.replace(name, program))
      await down.get(name)
    }
  })()
  for (let started = 0; started < runs; started += 5) {
    await Promise.all(Array.from({ length: Math.min(5, runs - started) }, () => startOne().catch(fails)))
    if (wrong.length > 0) break
    while (work.unfinished >= unfinishedMax) await sleep(100)
  }
  await replacing
  // Work goes on for a while; then nobody is killed any more, and what is left ends.
  await sleep(afterworkMs)
  evening.abort()
  await killing
  await Promise.all(looking)
  for (const mark of accepted.values())
    for (const task of ['first', 'second'])
      if (begun.count(`${mark}/${task}`) !== 1)
        wrong.push(`task ${task} of ${mark} began ${begun.count(`${mark}/${task}`)} times`)
  const { items } = await people.insist((client) =>
    client.call('listProjectRuns', { params: { projectRef: project.id }, query: { limit: 100 } }),
  )
  if (runs <= 100 && items.length !== runs) wrong.push(`${items.length} runs instead of ${runs}`)
  return { accepted: accepted.size, kills, wrong }
}

/** Says that it begins, then prints numbered lines: both tell whether it was executed once. */
function tasksOf(mark: string, port: number) {
  const script = (task: string) =>
    `exec 3<>/dev/tcp/127.0.0.1/${port}; printf 'GET /${mark}/${task} HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3 >/dev/null
for i in $(seq ${linesPerTask}); do echo "${task} $i"; sleep 0.02; done`
  return {
    first: { shell: 'bash -e', run: script('first') },
    second: { shell: 'bash -e', run: script('second'), depends: ['first'] },
  }
}

/** Waits for its end as long as any run ends now and then. */
async function faultsOf(
  people: People,
  { runId, mark }: { readonly runId: string; readonly mark: string },
  work: { readonly endedAt: number },
): Promise<string[]> {
  const begunAt = Date.now()
  for (;;) {
    const run = await people.insist((client) => client.call('getRun', { params: { runId } }))
    if (run.phase !== 'finished') {
      if (Date.now() > Math.max(work.endedAt, begunAt) + patienceMs)
        return [
          `run ${mark} is still ${run.phase}: ${JSON.stringify(run.tasks.map(({ status, reason }) => [status, reason?.message]))}`,
        ]
      await sleep(1000)
      continue
    }
    if (run.result !== 'success')
      return [
        `run ${mark} ${run.result}: ${JSON.stringify(run.tasks.map(({ name, reason }) => [name, reason?.message]))}`,
      ]
    const faults: string[] = []
    for (const task of run.tasks) {
      const text = await people.insist((client) => logOf(client, runId, task.id))
      const expected = Array.from({ length: linesPerTask }, (_, index) => `${task.name} ${index + 1}\n`).join('')
      if (text.replaceAll('\r\n', '\n') !== expected)
        faults.push(`log of ${task.name} of ${mark} is wrong: ${JSON.stringify(text.slice(0, 200))}`)
    }
    return faults
  }
}

async function logOf(client: ApiClient, runId: string, taskId: string): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of client.bytes('readLog', { params: { runId, taskId, log: '0' } })) parts.push(part)
  return Buffer.concat(parts).toString()
}

/** Hears from tasks that they begin. */
async function startBeginCounter() {
  const seen = new Map<string, number>()
  const server = createServer((request, response) => {
    const name = (request.url ?? '/').slice(1)
    seen.set(name, (seen.get(name) ?? 0) + 1)
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    count: (name: string) => seen.get(name) ?? 0,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
