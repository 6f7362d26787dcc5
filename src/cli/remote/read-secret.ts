// Secrets come from files, standard input or a terminal that does not show them: never from the command line, which others can read.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { errorMessage, SlipwayError } from '../../lib/errors.ts'
import type { Io } from '../io.ts'

/** The text of a file without the newline at its end. Errors: `usage`. */
export function readSecretFile(path: string, io: Pick<Io, 'cwd'>): string {
  try {
    return readFileSync(resolve(io.cwd, path), 'utf8').replace(/\r?\n$/, '')
  } catch (cause) {
    throw new SlipwayError('usage', `read ${path}: ${errorMessage(cause)}`, { cause })
  }
}

/** All of standard input, at most 1 MiB, without the newline at its end. */
export async function readStdin({ stdin }: Pick<Io, 'stdin'>): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of stdin as AsyncIterable<Buffer | string>) {
    const bytes = Buffer.from(part)
    size += bytes.length
    if (size > 1024 * 1024) throw new SlipwayError('usage', 'standard input has more than 1 MiB')
    parts.push(bytes)
  }
  return Buffer.concat(parts)
    .toString('utf8')
    .replace(/\r?\n$/, '')
}

/** Asks the person at the terminal; `isSecret` shows nothing of what is typed. Errors: `usage` without a terminal, `cancelled` at its end. */
export async function ask(
  question: string,
  io: Pick<Io, 'stdin' | 'stderr'>,
  { isSecret }: { readonly isSecret: boolean },
): Promise<string> {
  if (io.stdin.isTTY !== true)
    throw new SlipwayError('usage', `${question.replace(/:? *$/, '')} is needed, and there is no terminal to ask`)
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  io.stderr.write(question)
  const lines = createInterface({ input: io.stdin, output: isSecret ? silent : io.stderr, terminal: true })
  try {
    return await new Promise<string>((resolvePromise, reject) => {
      lines.once('line', resolvePromise)
      lines.once('close', () => reject(new SlipwayError('cancelled', 'nothing was answered')))
      lines.once('SIGINT', () => reject(new SlipwayError('cancelled', 'nothing was answered')))
    })
  } finally {
    lines.close()
    if (isSecret) io.stderr.write('\n')
  }
}
