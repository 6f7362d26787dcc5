// Secrets of which only the hash is kept: long random texts, so a plain hash is enough.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** 256 random bits as text for a URL or a cookie. */
export function newSecretText(): string {
  return randomBytes(32).toString('base64url')
}

/** SHA-256, hex. */
export function hashSecret(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Takes the same time wherever they differ, and whatever their lengths. */
export function equalSecrets(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest())
}
