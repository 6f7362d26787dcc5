// `slipway runs logs`: a log as it is stored, or as it grows. A connection that is lost is made again where it broke off.

import { setTimeout as sleep } from 'node:timers/promises'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { findRun, findTask, type Run, type RunTask } from './find-run.ts'
import type { Remote } from './remote-command.ts'

export type LogOptions = {
  readonly task?: string
  readonly step?: string
  readonly setup?: boolean
  readonly follow?: boolean
}

type ShownLog = { readonly task: RunTask; readonly log: string }

const retryMsMin = 250
const retryMsMax = 10_000
const attemptsMax = 30

export async function printLog(remote: Remote, options: LogOptions, runText: string): Promise<undefined> {
  const { client, io } = remote
  const run = await findRun(client, runText)
  const { task, log } = await chooseLog(remote, run, options)
  const params = { runId: run.id, taskId: task.id, log }
  if (options.follow) await followLog(remote, params)
  else
    for await (const bytes of client.bytes('readLog', { params })) if (!io.stdout.write(bytes)) await drained(io.stdout)
}

async function followLog(
  { client, io }: Remote,
  params: { readonly runId: string; readonly taskId: string; readonly log: string },
): Promise<void> {
  let lastEventId: string | undefined
  for (let attempt = 0; ; attempt++) {
    try {
      for await (const event of client.events('followLog', {
        params,
        ...(lastEventId === undefined ? {} : { lastEventId }),
      })) {
        if (event.event === 'end') return
        attempt = 0
        lastEventId = event.id ?? lastEventId
        if (!io.stdout.write(event.data.text)) await drained(io.stdout)
      }
    } catch (error) {
      // Whatever the server says ends it; only what broke on the way is tried again.
      const isBroken = isSlipwayError(error, 'service_unavailable') || error instanceof TypeError
      if (!isBroken || attempt >= attemptsMax) throw error
    }
    if (attempt >= attemptsMax) throw new SlipwayError('service_unavailable', 'the log breaks off again and again')
    await sleep(Math.min(retryMsMin * 2 ** attempt, retryMsMax))
  }
}

/** What was asked for; else, where something failed, what failed first. */
async function chooseLog({ client }: Remote, run: Run, { task: name, step, setup }: LogOptions): Promise<ShownLog> {
  const task = name === undefined ? onlyOrFailed(run) : findTask(run, name)
  if (setup) return { task, log: 'setup' }
  if (step !== undefined) return { task, log: step }
  const { steps, setupStep } = await client.call('getTask', { params: { runId: run.id, taskId: task.id } })
  if (setupStep.phase === 'failed') return { task, log: 'setup' }
  const failed = steps.findIndex(({ phase }) => phase === 'failed' || phase === 'stopped')
  const running = steps.findIndex(({ phase }) => phase === 'running')
  const last = steps.findLastIndex(({ phase }) => phase === 'success')
  const shown = [failed, running, last].find((index) => index >= 0)
  return { task, log: shown === undefined ? 'setup' : String(shown) }
}

function onlyOrFailed({ tasks }: Run): RunTask {
  const failed = tasks.find(({ status }) => status === 'failed') ?? tasks.find(({ status }) => status === 'running')
  const found = failed ?? (tasks.length === 1 ? tasks[0] : undefined)
  if (found !== undefined) return found
  throw new SlipwayError('usage', `the log of which task? give --task: ${tasks.map(({ name }) => name).join(', ')}`)
}

const drained = (stream: NodeJS.WritableStream) => new Promise((resolve) => stream.once('drain', resolve))
