// Plain lines, each with the task (and run, when there are several) it belongs to: for pipes, files and other CI systems.

import type { Writable } from 'node:stream'
import { formatDuration } from './format-duration.ts'
import type { Paint } from './paint.ts'
import type { RunEvent, RunEventSink } from './run-event.ts'
import { writeLine } from './write-line.ts'

export class PlainOutput implements RunEventSink {
  readonly #out: Writable
  readonly #paint: Paint
  readonly #showsRun: boolean

  constructor(out: Writable, options: { readonly paint: Paint; readonly showsRun: boolean }) {
    this.#out = out
    this.#paint = options.paint
    this.#showsRun = options.showsRun
  }

  write(event: RunEvent): void | Promise<void> {
    const line = this.#lineOf(event)
    return line === undefined ? undefined : writeLine(this.#out, line)
  }

  finish(): void {}

  #lineOf(event: RunEvent): string | undefined {
    const paint = this.#paint
    switch (event.type) {
      case 'notice':
        return paint.dim(event.message)
      case 'run': {
        if (event.phase === 'setuperror')
          return paint.red(`run ${event.run.name}: ${event.setupErrors?.join('\n') ?? 'setup error'}`)
        if (event.phase === 'cancelled') return `run ${event.run.name}: cancelled`
        if (event.phase !== 'finished') return undefined
        const reason = event.reason === undefined ? '' : `: ${event.reason.text}`
        return paint.result(event.result, `run ${event.run.name}: ${event.result}${reason}`)
      }
      case 'task': {
        const prefix = this.#prefix(event)
        if (event.status === 'notstarted') return event.waitingApproval ? `${prefix}waits for approval` : undefined
        if (event.status === 'running') return undefined
        const took =
          event.startedAt === undefined || event.endedAt === undefined
            ? ''
            : ` in ${formatDuration(event.endedAt - event.startedAt)}`
        const reason = event.reason === undefined ? '' : `: ${event.reason.text}`
        const kept = event.keptPod === undefined ? '' : `\n${prefix}its pod was kept; enter it with: ${event.keptPod}`
        return `${prefix}${paint.result(event.status, `${event.status}${took}${reason}`)}${kept}`
      }
      case 'step':
        if (event.phase === 'running')
          return event.step === 'setup' ? undefined : `${this.#prefix(event)}${paint.bold(`> ${event.name}`)}`
        if (event.phase !== 'failed') return undefined
        return `${this.#prefix(event)}${paint.red(`${event.name} failed${event.reason === undefined ? '' : `: ${event.reason.text}`}`)}`
      case 'log':
        return `${this.#prefix(event)}${event.line}`
    }
  }

  #prefix(event: { readonly run: { readonly name: string }; readonly task: string }): string {
    return this.#paint.dim(this.#showsRun ? `[${event.run.name} / ${event.task}] ` : `[${event.task}] `)
  }
}
