// Asks the person at the terminal for something that must not be seen.

import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { SlipwayError } from '../lib/errors.ts'
import type { Io } from './io.ts'

/** One line, which is not echoed. `usage` when there is no terminal. */
export async function askHidden(prompt: string, io: Io): Promise<string> {
  if (io.stdin.isTTY !== true) throw new SlipwayError('usage', `${prompt.trim()} there is no terminal to ask on`)
  io.stderr.write(prompt)
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: io.stdin, output: nowhere, terminal: true })
  try {
    return await lines.question('')
  } finally {
    lines.close()
    io.stderr.write('\n')
  }
}
