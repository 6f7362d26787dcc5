// The name of a run step that was given none.

import { limits } from '../../lib/limits.ts'

/** The first line of the command that is not blank, cut at `limits.nameBytes` between two characters. */
export function stepName(command: string): string {
  const line = command.split('\n').find((text) => text.trim() !== '') ?? ''
  return cutBytes(line.replace(/\r$/, ''), limits.nameBytes.value)
}

/** The longest beginning of `text` of at most `bytesMax` bytes of UTF-8 that ends between two characters. */
export function cutBytes(text: string, bytesMax: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(bytesMax))
  return text.slice(0, read)
}
