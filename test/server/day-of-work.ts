// A scripted day: people start runs through several gateways while processes are killed; afterwards everything that was accepted has
// ended well, once.

import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiClient } from '../../src/contract/client.ts'
import { definition } from '../cli/command.ts'
import { createPeople, type People, patienceMs } from './people.ts'
import type { ProcessGroup } from './process-group.ts'

export type DayOptions = {
  readonly runs: number
  /** Milliseconds between two kills. */
  readonly killEveryMs: number
  /** 0 to below 1. */
  readonly random: () => number
}

export type DayReport = {
  readonly accepted: number
  readonly kills: number
  /** What does not hold; none is what it should be. */
  readonly wrong: readonly string[]
}

const linesPerTask = 40
const afterworkMs = 5000
/** Processes that are away at the same time. */
const downMax = 4

export async function spendDay(group: ProcessGroup, { runs, killEveryMs, random }: DayOptions): Promise<DayReport> {
  await using begun = await startBeginCounter()
  const people = createPeople(group)
  const source = { kind: 'none' } as const
  const project = await people.insist((client) =>
    client.call('createProject', { body: { name: 'web', source }, idempotencyKey: 'project' }),
  )
  const evening = new AbortController()
  let kills = 0
  const down = new Map<string, Promise<void>>()
  const killing = (async () => {
    while (!evening.signal.aborted) {
      await sleep(killEveryMs, undefined, { signal: evening.signal }).catch(() => {})
      const standing = group.names.filter((name) => !down.has(name))
      const name = standing[Math.floor(random() * standing.length)]
      if (evening.signal.aborted || name === undefined || down.size >= downMax) continue
      await group.kill(name)
      kills++
      const pause = 500 * random()
      down.set(
        name,
        sleep(pause)
          .then(() => group.start(name))
          .finally(() => down.delete(name)),
      )
    }
    await Promise.all(down.values())
  })()
  const accepted = new Map<string, string>()
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
  }
  for (let started = 0; started < runs; started += 5)
    await Promise.all(Array.from({ length: Math.min(5, runs - started) }, startOne))
  // Work goes on for a while; then nobody is killed any more, and what is left ends.
  await sleep(afterworkMs)
  evening.abort()
  await killing
  const wrong: string[] = []
  await Promise.all([...accepted].map(async ([runId, mark]) => wrong.push(...(await faultsOf(people, runId, mark)))))
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

async function faultsOf(people: People, runId: string, mark: string): Promise<string[]> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    const run = await people.insist((client) => client.call('getRun', { params: { runId } }))
    if (run.phase !== 'finished') {
      if (Date.now() > deadline)
        return [
          `run ${mark} is still ${run.phase}: ${JSON.stringify(run.tasks.map(({ status, reason }) => [status, reason?.message]))}`,
        ]
      await sleep(200)
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
