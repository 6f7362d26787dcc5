// Output of a build as lines of 40 to 200 bytes; zstd compresses it two to four times.

import { seededRandom } from './random.ts'

/** About `sizeBytes` of whole lines, never more. */
export function logLines(seed: number, sizeBytes: number): Buffer {
  const random = seededRandom(seed)
  const pick = (count: number) => Math.floor(random() * count)
  const letters = 'etaoinshrdlucmfwypvbgkjqxz'
  const words = Array.from({ length: 4000 }, () =>
    Array.from({ length: 2 + pick(9) }, () => letters[Math.floor(random() ** 2 * 26)]!).join(''),
  )
  const levels = ['INFO ', 'DEBUG', 'WARN ', 'ERROR']
  const out = Buffer.alloc(sizeBytes)
  let size = 0
  for (let line = 0; ; line++) {
    const length = 40 + pick(161)
    const stamp = String(60_000 + line).padStart(9, '0')
    let text = `${stamp} ${levels[Math.floor(random() ** 4 * 4)]} [${pick(1e9).toString(36)}]`
    while (text.length < length - 1)
      text += random() < 0.1 ? ` ${pick(1e6)}` : ` ${words[Math.floor(random() ** 2 * 4000)]}`
    text = `${text.slice(0, length - 1)}\n`
    if (size + text.length > sizeBytes) return out.subarray(0, size)
    size += out.write(text, size, 'latin1')
  }
}

/** Secrets as tokens are: letters and digits, 20 to 60 characters. */
export function tokens(seed: number, count: number): string[] {
  const random = seededRandom(seed)
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  return Array.from({ length: count }, () =>
    Array.from({ length: 20 + Math.floor(random() * 41) }, () => letters[Math.floor(random() * letters.length)]).join(
      '',
    ),
  )
}
