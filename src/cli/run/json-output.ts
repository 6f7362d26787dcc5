// `--output json`: one event a line.

import type { Writable } from 'node:stream'
import type { RunEvent, RunEventSink } from './run-event.ts'
import { writeLine } from './write-line.ts'

export class JsonOutput implements RunEventSink {
  readonly #out: Writable

  constructor(out: Writable) {
    this.#out = out
  }

  write(event: RunEvent): void | Promise<void> {
    return writeLine(this.#out, JSON.stringify(event))
  }

  finish(): void {}
}
