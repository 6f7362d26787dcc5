// Which output a run has: a live tree on a terminal, plain lines elsewhere, or JSON.

import type { Clock } from '../../lib/clock.ts'
import type { Io } from '../io.ts'
import { JsonOutput } from './json-output.ts'
import type { OutputMode } from './output-mode.ts'
import { paintFor } from './paint.ts'
import { PlainOutput } from './plain-output.ts'
import type { RunEventSink } from './run-event.ts'
import type { RepeatCommands } from './summary.ts'
import { symbolsFor } from './symbols.ts'

export type OutputOptions = {
  /** Undefined: a tree where it can be drawn, else plain lines. */
  readonly mode: OutputMode | undefined
  readonly repeat: RepeatCommands
  readonly clock: Clock
}

/** Disposing leaves the terminal usable, also when the process ends before `finish`. */
export async function openOutput(options: OutputOptions, io: Io): Promise<RunEventSink & Disposable> {
  const canDraw = io.stdout.isTTY === true && io.environment.TERM !== 'dumb'
  const mode = options.mode ?? (canDraw ? 'tree' : 'plain')
  const paint = paintFor(io.stdout.isTTY === true, io.environment)
  const common = { ...options, paint, symbols: symbolsFor(io.environment) }
  switch (mode) {
    case 'json':
      return undisposed(new JsonOutput(io.stdout))
    case 'plain':
      return undisposed(new PlainOutput(io.stdout, common))
    case 'tree': {
      // Pipes and programs do without it.
      const { TreeOutput } = await import('./tree/tree-output.ts')
      const tree = new TreeOutput({
        ...common,
        out: io.stdout,
        isLive: canDraw,
      })
      const exit = io.onExit(() => tree.abandon())
      const suspend = io.onSuspend({ suspend: () => tree.suspend(), resume: () => tree.resume() })
      return Object.assign(tree, {
        [Symbol.dispose]: () => {
          tree.abandon()
          exit[Symbol.dispose]()
          suspend[Symbol.dispose]()
        },
      })
    }
  }
}

const undisposed = <T extends RunEventSink>(sink: T): T & Disposable => Object.assign(sink, { [Symbol.dispose]() {} })
