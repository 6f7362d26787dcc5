// `slipway runs watch`: what happens in a run, a line for each change, until it has ended; the exit status says how.

import { setTimeout as sleep } from 'node:timers/promises'
import { isSlipwayError } from '../../lib/errors.ts'
import { exitStatus } from '../exit-status.ts'
import type { Run } from './find-run.ts'
import type { Remote } from './remote-command.ts'

const retryMsMin = 250
const retryMsMax = 10_000
const attemptsMax = 30

/** The exit status of the command. */
export async function watchRun({ client, io, format }: Remote, runId: string): Promise<number> {
  let seen: Run | undefined
  for (let attempt = 0; ; attempt++) {
    try {
      for await (const event of client.events('watchRun', { params: { runId } })) {
        if (event.event !== 'run') continue
        attempt = 0
        if (format === 'json') io.stdout.write(`${JSON.stringify(event.data)}\n`)
        else for (const line of changes(seen, event.data)) io.stdout.write(`${line}\n`)
        seen = event.data
        if (['finished', 'cancelled', 'setuperror'].includes(event.data.phase)) return statusOf(event.data)
      }
    } catch (error) {
      const isBroken = isSlipwayError(error, 'service_unavailable') || error instanceof TypeError
      if (!isBroken || attempt >= attemptsMax) throw error
    }
    await sleep(Math.min(retryMsMin * 2 ** attempt, retryMsMax))
  }
}

function statusOf({ phase, result }: Pick<Run, 'phase' | 'result'>): number {
  if (phase === 'cancelled' || result === 'stopped') return exitStatus.stopped
  return result === 'success' ? exitStatus.success : exitStatus.runFailed
}

/** A line for each thing that is different. */
function changes(before: Run | undefined, run: Run): string[] {
  const name = `${run.name} #${run.number}`
  const lines: string[] = []
  for (const task of run.tasks) {
    const earlier = before?.tasks.find(({ id }) => id === task.id)
    if (earlier?.status === task.status && earlier.reason?.message === task.reason?.message) continue
    if (earlier === undefined && task.status === 'notstarted' && task.reason === undefined) continue
    lines.push(`${name}  ${task.name}: ${task.status}${task.reason === undefined ? '' : ` (${task.reason.message})`}`)
  }
  for (const error of before === undefined ? run.setupErrors : []) lines.push(`${name}  ${error}`)
  if (before?.phase !== run.phase || before.result !== run.result)
    lines.push(`${name}: ${run.phase}${run.result === 'unknown' ? '' : `, ${run.result}`}`)
  return lines
}
