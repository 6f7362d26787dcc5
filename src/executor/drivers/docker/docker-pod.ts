// A pod of containers: the helper's Pod, reached by execs, and what only the engine knows, such as who ran out of memory.

import type { Clock } from '../../../lib/clock.ts'
import type { Pod, StepCommand, StepExit, StepProcess } from '../../driver.ts'
import { createHelperPod } from '../../helper/client.ts'
import { podDir } from './container-config.ts'
import { type Engine, isEngineError } from './engine.ts'
import { execTransport } from './exec-transport.ts'
import { removeContainer } from './remove-container.ts'

/** The engine tells of the memory limit by an event that may come a little after the process has ended. */
const memoryEventMs = 300
/** Status of a shell whose command was killed by SIGKILL. */
const killedStatus = 137

/** What a shell would find in a container whose image sets no PATH (moby, DefaultPathEnv). */
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export type DockerPodOptions = {
  readonly id: string
  readonly engine: Engine
  readonly clock: Clock
  /** The main container first. */
  readonly containerIds: readonly string[]
  /** Of every step, as the helper takes it; empty means root. */
  readonly user: string
  /** `NAME=value` of image and container; later wins. */
  readonly environment: readonly string[]
  readonly enterCommand: string
}

/** A Pod whose containers run. Disposing is `remove`. */
export function createDockerPod(options: DockerPodOptions): Pod {
  const { engine, clock, containerIds } = options
  const containerId = containerIds[0]!
  const pod = createHelperPod({
    id: options.id,
    transport: execTransport({ engine, containerId, explain: () => explainEnd(engine, containerId) }),
    dir: podDir,
    user: options.user,
    // The engine's HOME would be that of root, who the exec runs as; the helper finds the step user's.
    inheritEnvironment: false,
    baseEnvironment: { PATH: defaultPath, ...parseEnvironment(options.environment) },
    enterCommand: options.enterCommand,
    remove: async (signal) => {
      await Promise.all(containerIds.map((id) => removeContainer(id, { engine, clock, signal })))
    },
    clock,
  })
  const memory = new MemoryEvents(engine, clock, containerId)
  return {
    id: pod.id,
    enterCommand: pod.enterCommand,
    start: async (command: StepCommand, signal) => watched(await pod.start(command, signal), memory),
    attach: async (stepId, offset, signal) => watched(await pod.attach(stepId, offset, signal), memory),
    archive: (request, signal) => pod.archive(request, signal),
    unarchive: (request, data, signal) => pod.unarchive(request, data, signal),
    query: (request, signal) => pod.query(request, signal),
    remove: (signal) => pod.remove(signal),
  }
}

/** The environment that `NAME=value` words make; an entry without `=` takes nothing from anywhere and is left out. */
export function parseEnvironment(words: readonly string[]): Readonly<Record<string, string>> {
  const entries = words.map((word) => [word.indexOf('='), word] as const).filter(([equals]) => equals > 0)
  return Object.fromEntries(entries.map(([equals, word]) => [word.slice(0, equals), word.slice(equals + 1)]))
}

/** The step with an exit that says so when the memory limit was what killed it. */
function watched(step: StepProcess, memory: MemoryEvents): StepProcess {
  let isKilled = false
  const exit = step.exit.then(async (ended): Promise<StepExit> => {
    const mayBeMemory =
      (ended.kind === 'signaled' && ended.signal === 'SIGKILL') ||
      (ended.kind === 'exited' && ended.code === killedStatus) ||
      ended.kind === 'lost'
    if (isKilled || !mayBeMemory) return ended
    return (await memory.hasNew()) ? { kind: 'out_of_memory' } : ended
  })
  // Who does not wait for the exit need not know that the step was let go of.
  exit.catch(() => {})
  return {
    exit,
    output: () => step.output(),
    release: (offset) => step.release(offset),
    kill: async () => {
      isKilled = true
      await step.kill()
    },
    [Symbol.asyncDispose]: () => step[Symbol.asyncDispose](),
  }
}

/** Kills by the memory limit of a container. Its state tells only of its first process, events tell of all. */
class MemoryEvents {
  readonly #engine: Engine
  readonly #clock: Clock
  readonly #containerId: string
  readonly #seen = new Set<number>()

  constructor(engine: Engine, clock: Clock, containerId: string) {
    this.#engine = engine
    this.#clock = clock
    this.#containerId = containerId
  }

  /** Whether there was one that was not asked for before. An engine that cannot tell says no. */
  async hasNew(): Promise<boolean> {
    try {
      const events = this.#engine.lines({
        method: 'GET',
        path: '/events',
        query: { since: '1', filters: JSON.stringify({ container: [this.#containerId], event: ['oom'] }) },
        signal: this.#clock.timeout(memoryEventMs),
      })
      for await (const line of events) {
        const { timeNano } = line as { readonly timeNano: number }
        if (this.#seen.has(timeNano)) continue
        this.#seen.add(timeNano)
        return true
      }
    } catch {
      // The timeout, or an engine that is gone: the exit is told as it came.
    }
    return false
  }
}

type ContainerInspect = {
  readonly State?: { readonly Status?: string; readonly ExitCode?: number; readonly OOMKilled?: boolean }
}

async function explainEnd(engine: Engine, containerId: string): Promise<string> {
  try {
    const { State: state } = (await engine.call({
      method: 'GET',
      path: `/containers/${containerId}/json`,
    })) as ContainerInspect
    if (state?.OOMKilled === true) return 'the main container was killed: out of memory'
    return `the main container is ${state?.Status ?? 'gone'}, exit status ${state?.ExitCode ?? 'unknown'}`
  } catch (error) {
    if (isEngineError(error, 404)) return 'the main container was removed'
    throw error
  }
}
