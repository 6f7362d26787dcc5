// Writes a line, and waits when the reader of a pipe is slower than we are.

import { once } from 'node:events'
import type { Writable } from 'node:stream'

const nothing = () => {}

export function writeLine(out: Writable, line: string): void | Promise<void> {
  if (out.destroyed || out.write(`${line}\n`)) return
  // Nobody reads any more: whoever listens for errors of `out` decides what that means.
  return once(out, 'drain').then(nothing, nothing)
}
