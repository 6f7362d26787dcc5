// Which core a process works on: a server and what loads it have one each, so that neither takes the other's time.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

export const cores = { server: 0, load: 1 } as const

type Core = (typeof cores)[keyof typeof cores]

const canPin = process.platform === 'linux' && availableParallelism() > 1

/** All threads of a process, and what they start from now on. Without util-linux, or with one core, it stays where it is. */
export function pin(pid: number, core: Core): void {
  if (!canPin) return
  try {
    execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)], { stdio: 'ignore' })
  } catch (error) {
    console.error(`bench: process ${pid} is not kept on core ${core}:`, error)
  }
}

/** This process; disposing lets it go to all cores again. */
export function pinSelf(core: Core): Disposable {
  pin(process.pid, core)
  return {
    [Symbol.dispose]: () => {
      if (!canPin) return
      const all = `0-${availableParallelism() - 1}`
      execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', all, String(process.pid)], { stdio: 'ignore' })
    },
  }
}

const msPerTick = 10

/** Processor time of all threads of a process, in and below its code, milliseconds. */
export function processorMs(pid: number): number {
  const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
  const fields = rest.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * msPerTick
}
