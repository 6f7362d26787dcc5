// Writes a line, and waits when the reader of a pipe is slower than we are.

import { once } from 'node:events'
import type { Writable } from 'node:stream'

export function writeLine(out: Writable, line: string): void | Promise<void> {
  if (!out.write(`${line}\n`)) return once(out, 'drain').then(() => undefined)
}
