import { randomBytes } from 'node:crypto'

/** For tokens and the like: nobody guesses it, and a log says what it was. */
export function randomText(prefix: string): string {
  return `${prefix}_${randomBytes(20).toString('hex')}`
}
