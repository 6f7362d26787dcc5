// Which output a run has: a live tree on a terminal, plain lines elsewhere, or JSON.

import type { Io } from '../io.ts'
import { JsonOutput } from './json-output.ts'
import { paintFor } from './paint.ts'
import { PlainOutput } from './plain-output.ts'
import type { RunEventSink } from './run-event.ts'

export const outputModes = ['plain', 'json'] as const
export type OutputMode = (typeof outputModes)[number]

export function openOutput(mode: OutputMode | undefined, io: Io): RunEventSink {
  if (mode === 'json') return new JsonOutput(io.stdout)
  return new PlainOutput(io.stdout, { paint: paintFor(io.stdout.isTTY === true, io.environment), showsRun: false })
}
