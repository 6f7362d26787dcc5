// Passwords as they are stored: argon2id, as PHC strings, so that each says with what it was made.

import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'

const argon2Async = promisify(argon2)

/** OWASP's minimum (Password Storage Cheat Sheet): 19 MiB, 2 passes, 1 lane. About 30 ms. */
const memoryKiB = 19_456
const passes = 2
const lanes = 1
const saltBytes = 16
const tagBytes = 32

/** Each takes its memory while it runs; further ones wait. */
const concurrencyMax = 2

/** Errors: `password_invalid`. */
export function checkPassword(password: string): void {
  const characters = [...password].length
  const { passwordCharactersMin: min, passwordCharactersMax: max } = limits
  if (characters >= min.value && characters <= max.value) return
  throw new SlipwayError('password_invalid', `a password has ${min.value} to ${max.value} characters`)
}

export class Passwords {
  #running = 0
  readonly #waiting: (() => void)[] = []

  /** Errors: `rate_limited` when too many are being hashed. */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(saltBytes)
    const tag = await this.#digest(password, {
      salt,
      memory: memoryKiB,
      passes,
      parallelism: lanes,
      tagLength: tagBytes,
    })
    return encode(salt, tag)
  }

  /**
   * Takes as long without a hash (nobody has that name, or has no password) as with one. Errors: `rate_limited`,
   * `database_corrupt`.
   */
  async verify(password: string, hash: string | undefined): Promise<boolean> {
    if ([...password].length > limits.passwordCharactersMax.value) return false
    const parsed = parse(hash ?? nobody)
    const tag = await this.#digest(password, { ...parsed, tagLength: parsed.tag.length })
    return timingSafeEqual(tag, parsed.tag) && hash !== undefined
  }

  async #digest(password: string, { salt, memory, passes, parallelism, tagLength }: Parameters): Promise<Buffer> {
    await this.#enter()
    try {
      // One text however it was typed: letters with accents have several forms.
      const message = password.normalize('NFKC')
      return await argon2Async('argon2id', { message, nonce: salt, memory, passes, parallelism, tagLength })
    } finally {
      this.#running--
      this.#waiting.shift()?.()
    }
  }

  async #enter(): Promise<void> {
    while (this.#running >= concurrencyMax) {
      if (this.#waiting.length >= limits.passwordsWaiting.value)
        throw new SlipwayError('rate_limited', 'too many passwords are being checked: try again in a moment')
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    this.#running++
  }
}

type Parameters = {
  readonly salt: Buffer
  readonly memory: number
  readonly passes: number
  readonly parallelism: number
  readonly tagLength: number
}

function parse(hash: string): Omit<Parameters, 'tagLength'> & { readonly tag: Buffer } {
  const match = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(hash)
  if (match === null) throw new SlipwayError('database_corrupt', 'a stored password is not an argon2id hash')
  const [memory, passes, parallelism] = match.slice(1, 4).map(Number) as [number, number, number]
  return { memory, passes, parallelism, salt: Buffer.from(match[4]!, 'base64'), tag: Buffer.from(match[5]!, 'base64') }
}

function encode(salt: Buffer, tag: Buffer): string {
  return `$argon2id$v=19$m=${memoryKiB},t=${passes},p=${lanes}$${unpadded(salt)}$${unpadded(tag)}`
}

const unpadded = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '')
const nobody = encode(Buffer.alloc(saltBytes), Buffer.alloc(tagBytes))
