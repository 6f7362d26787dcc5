// `run`: a script in a shell, in the pod.

import { isSlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { OrderStep } from '../../runservice/executor-api.ts'
import type { StepExit, StepProcess } from '../driver.ts'
import { failedStep, type StepContext, type StepOutcome } from './step-context.ts'

type RunOrderStep = Extract<OrderStep, { type: 'run' }>

export async function executeRunStep(step: RunOrderStep, context: StepContext): Promise<StepOutcome> {
  const { index, log, signal, leaving } = context
  await using process = await startOrAttach(step, context)
  log.onStored((offset) => process.release(offset))
  // Told to end it may do so by itself for a while, then it is killed; what it prints until then belongs into the log. Left
  // alone it goes on: a successor of this executor attaches to it again.
  const killed = Promise.withResolvers<never>()
  killed.promise.catch(() => undefined)
  const onEnd = () => {
    if (!leaving.aborted) endProcess(process, context).catch(killed.reject)
  }
  if (signal.aborted) onEnd()
  else signal.addEventListener('abort', onEnd, { once: true })
  try {
    const exit = await Promise.race([copyOutput(process, context), killed.promise])
    // One that succeeded in that very moment has succeeded.
    if (signal.aborted && !(exit.kind === 'exited' && exit.code === 0)) throw signal.reason
    return outcomeOf(exit, index)
  } finally {
    signal.removeEventListener('abort', onEnd)
  }
}

async function endProcess(process: StepProcess, { clock, leaving }: StepContext): Promise<void> {
  const over = new AbortController()
  const ended = process.exit.catch(() => undefined).finally(() => over.abort())
  await process.interrupt()
  const signal = AbortSignal.any([over.signal, leaving])
  await Promise.race([ended, clock.sleep(limits.stopGraceMs.value, signal).catch(() => undefined)])
  // Also when the step has ended: what it left running may not have listened.
  if (!leaving.aborted) await process.kill()
}

async function copyOutput(process: StepProcess, { log }: StepContext): Promise<StepExit> {
  for await (const chunk of process.output()) await log.write(chunk)
  return await process.exit
}

async function startOrAttach(step: RunOrderStep, context: StepContext): Promise<StepProcess> {
  const { order, index, pod, log, leaving } = context
  const stepId = `step-${index}`
  if (context.isResumed) {
    try {
      return await pod.attach(stepId, log.rawOffset, leaving)
    } catch (error) {
      // Killed between the journal and the exec: the step was never started.
      if (!isSlipwayError(error, 'pod_gone')) throw error
    }
  }
  return await pod.start(
    {
      id: stepId,
      argv: words(step.shell === '' ? order.shell : step.shell),
      script: `${step.command}\n`,
      environment: { ...order.environment, ...step.environment },
      workingDir: joinWorkingDir(order.workingDir, step.workingDir),
      createDirs: order.workingDir === '' ? [] : [order.workingDir],
      tty: step.tty,
    },
    leaving,
  )
}

/** A shell is split on spaces, without quoting; two spaces give no empty word. */
function words(shell: string): readonly string[] {
  return shell.split(' ').filter((word) => word !== '')
}

/** A step's own directory is relative to the task's. */
export function joinWorkingDir(taskDir: string, stepDir: string): string {
  if (stepDir === '') return taskDir
  if (stepDir.startsWith('/') || stepDir === '~' || stepDir.startsWith('~/') || taskDir === '') return stepDir
  return `${taskDir.replace(/\/+$/, '')}/${stepDir}`
}

function outcomeOf(exit: StepExit, index: number): StepOutcome {
  switch (exit.kind) {
    case 'exited':
      return exit.code === 0
        ? { kind: 'success', exitStatus: 0 }
        : { kind: 'failed', exitStatus: exit.code, reason: { kind: 'failed_exit', step: index, code: exit.code } }
    case 'signaled':
      return { kind: 'failed', reason: { kind: 'failed_signal', step: index, signal: exit.signal } }
    case 'refused':
      return failedStep(index, exit.message)
    case 'out_of_memory':
      return { kind: 'failed', exitStatus: 137, reason: { kind: 'out_of_memory' } }
    case 'lost':
      return { kind: 'failed', reason: { kind: 'pod_lost', step: index } }
  }
}
