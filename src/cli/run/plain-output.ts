// Plain lines, each with the task (and run, when there are several) it belongs to: for pipes, files and other CI systems.

import type { Writable } from 'node:stream'
import { formatDuration } from './format-duration.ts'
import type { Paint } from './paint.ts'
import { printableLine } from './printable-line.ts'
import type { RunEvent, RunEventSink } from './run-event.ts'
import { applyEvent, emptyRunsState } from './run-state.ts'
import { type RepeatCommands, summaryLines } from './summary.ts'
import type { Symbols } from './symbols.ts'
import { writeLine } from './write-line.ts'

export type PlainOutputOptions = {
  readonly paint: Paint
  readonly symbols: Symbols
  readonly repeat: RepeatCommands
}

export class PlainOutput implements RunEventSink {
  readonly #out: Writable
  readonly #options: PlainOutputOptions
  readonly #state = emptyRunsState()
  /** Runs that are told together have their name in the prefix. */
  #showsRun = false

  constructor(out: Writable, options: PlainOutputOptions) {
    this.#out = out
    this.#options = options
  }

  begin(runs: number): void {
    this.#showsRun = runs > 1
  }

  write(event: RunEvent): void | Promise<void> {
    // Lines of logs are told and not kept.
    if (event.type !== 'log') applyEvent(this.#state, event)
    const line = this.#lineOf(event)
    return line === undefined ? undefined : writeLine(this.#out, line)
  }

  async finish(): Promise<void> {
    const lines = summaryLines(this.#state, { ...this.#options, showsLogs: false })
    if (lines.length > 0) await writeLine(this.#out, lines.join('\n'))
  }

  #lineOf(event: RunEvent): string | undefined {
    const { paint } = this.#options
    switch (event.type) {
      case 'notice':
        return paint.dim(event.message)
      case 'run': {
        if (event.phase === 'setuperror')
          return paint.red(`run ${event.run.name}: ${event.setupErrors?.join('\n') ?? 'setup error'}`)
        if (event.phase === 'cancelled') return `run ${event.run.name}: cancelled`
        if (event.phase !== 'finished') return undefined
        const reason = event.reason === undefined || event.reason.text === event.result ? '' : `: ${event.reason.text}`
        return paint.result(event.result, `run ${event.run.name}: ${event.result}${reason}`)
      }
      case 'task': {
        const prefix = this.#prefix(event)
        // Steps and times of a kept task are those of an earlier run.
        if (event.kept === true) return `${prefix}${paint.dim('kept')}`
        if (event.status === 'notstarted') return event.waitingApproval ? `${prefix}waits for approval` : undefined
        if (event.status === 'running') return undefined
        const took =
          event.startedAt === undefined || event.endedAt === undefined
            ? ''
            : ` in ${formatDuration(event.endedAt - event.startedAt)}`
        const reason = event.reason === undefined || event.reason.text === event.status ? '' : `: ${event.reason.text}`
        const kept = event.keptPod === undefined ? '' : `\n${prefix}its pod was kept; enter it with: ${event.keptPod}`
        return `${prefix}${paint.result(event.status, `${event.status}${took}${reason}`)}${kept}`
      }
      case 'step':
        if (event.phase === 'running')
          return event.step === 'setup' ? undefined : `${this.#prefix(event)}${paint.bold(`> ${event.name}`)}`
        if (event.phase !== 'failed') return undefined
        return `${this.#prefix(event)}${paint.red(`${event.name} failed${event.reason === undefined ? '' : `: ${event.reason.text}`}`)}`
      case 'log':
        return `${this.#prefix(event)}${printableLine(event.line, { colours: paint.hasColours })}`
    }
  }

  #prefix(event: { readonly run: { readonly name: string }; readonly task: string }): string {
    return this.#options.paint.dim(this.#showsRun ? `[${event.run.name} / ${event.task}] ` : `[${event.task}] `)
  }
}
