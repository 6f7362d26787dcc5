// A pod of containers: the helper's Pod, reached by execs, and what only the engine knows, such as who ran out of memory.

import type { Clock } from '../../../lib/clock.ts'
import type { Pod, StepCommand, StepExit, StepProcess } from '../../driver.ts'
import { createHelperPod } from '../../helper/client.ts'
import { podDir } from './container-config.ts'
import { type Engine, isEngineError } from './engine.ts'
import { execTransport } from './exec-transport.ts'
import type { HijackedStream } from './hijacked-stream.ts'
import { lineTransport } from './line-transport.ts'
import { removeContainer } from './remove-container.ts'

/** What a shell would find in a container whose image sets no PATH (moby, DefaultPathEnv). */
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The engine names the host after the container's id, shortened. */
const hostNameLength = 12

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
  /** Standard streams of the helper in the main container; the pod closes it. */
  readonly line?: HijackedStream
}

/** A Pod whose containers run. Disposing is `remove`. */
export function createDockerPod(options: DockerPodOptions): Pod {
  const { engine, clock, containerIds } = options
  const containerId = containerIds[0]!
  const endOf = () => inspectEnd(engine, containerId)
  const execs = execTransport({ engine, containerId, explain: async () => (await endOf()).message })
  const { line } = options
  const pod = createHelperPod({
    id: options.id,
    transport: line === undefined ? execs : lineTransport(line, execs),
    dir: podDir,
    user: options.user,
    // The engine's HOME would be that of root, who the exec runs as; the helper finds the step user's.
    inheritEnvironment: false,
    baseEnvironment: {
      PATH: defaultPath,
      HOSTNAME: containerId.slice(0, hostNameLength),
      ...parseEnvironment(options.environment),
    },
    enterCommand: options.enterCommand,
    remove: async (signal) => {
      line?.close()
      await Promise.all(containerIds.map((id) => removeContainer(id, { engine, clock, signal })))
    },
    clock,
  })
  return {
    id: pod.id,
    enterCommand: pod.enterCommand,
    start: async (command: StepCommand, signal) => watched(await pod.start(command, signal), endOf),
    attach: async (stepId, offset, signal) => watched(await pod.attach(stepId, offset, signal), endOf),
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

/** The step with an exit that says so when the container itself ran out of memory; of the step alone the helper tells. */
function watched(step: StepProcess, endOf: () => Promise<ContainerEnd>): StepProcess {
  const exit = step.exit.then(async (ended): Promise<StepExit> => {
    if (ended.kind !== 'lost') return ended
    const { isOutOfMemory } = await endOf().catch(() => ({ isOutOfMemory: false }))
    return isOutOfMemory ? { kind: 'out_of_memory' } : ended
  })
  // Who does not wait for the exit need not know that the step was let go of.
  exit.catch(() => {})
  return {
    exit,
    output: () => step.output(),
    release: (offset) => step.release(offset),
    interrupt: () => step.interrupt(),
    kill: () => step.kill(),
    [Symbol.asyncDispose]: () => step[Symbol.asyncDispose](),
  }
}

type ContainerInspect = {
  readonly State?: { readonly Status?: string; readonly ExitCode?: number; readonly OOMKilled?: boolean }
}

type ContainerEnd = { readonly isOutOfMemory: boolean; readonly message: string }

async function inspectEnd(engine: Engine, containerId: string): Promise<ContainerEnd> {
  try {
    const { State: state } = (await engine.call({
      method: 'GET',
      path: `/containers/${containerId}/json`,
    })) as ContainerInspect
    if (state?.OOMKilled === true)
      return { isOutOfMemory: true, message: 'the main container was killed: out of memory' }
    return {
      isOutOfMemory: false,
      message: `the main container is ${state?.Status ?? 'gone'}, exit status ${state?.ExitCode ?? 'unknown'}`,
    }
  } catch (error) {
    if (isEngineError(error, 404)) return { isOutOfMemory: false, message: 'the main container was removed' }
    throw error
  }
}
