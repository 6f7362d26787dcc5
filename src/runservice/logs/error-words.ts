// Finds words that make a line look like an error, in any case, where they end a word: `TypeError:` but not `errors`. Every
// byte of every log passes here, so it looks at every third byte only (the shift table of Wu and Manber over the first four
// letters of the words); a regular expression took a quarter of the whole way of a log.

const words = ['error', 'fatal', 'panic', 'exception', 'traceback', 'fail', 'failed', 'failure'].map((word) =>
  Buffer.from(word),
)
const windowBytes = 4
/** By the low five bits of two bytes, which fold the case of letters: what else falls together is told apart later. */
const shifts = new Uint8Array(1024).fill(windowBytes - 1)
const begins = new Uint8Array(1024)
for (const word of words) {
  begins[pairOf(word[0]!, word[1]!)] = 1
  for (let at = 0; at + 1 < windowBytes; at++) {
    const pair = pairOf(word[at]!, word[at + 1]!)
    shifts[pair] = Math.min(shifts[pair]!, windowBytes - 2 - at)
  }
}

/** Where the first such word at or behind `from` begins; -1 when there is none. */
export function findErrorWord(bytes: Uint8Array, from: number): number {
  const last = bytes.length - windowBytes
  let at = from
  while (at <= last) {
    const shift = shifts[pairOf(bytes[at + 2]!, bytes[at + 3]!)]!
    if (shift > 0) at += shift
    else if (begins[pairOf(bytes[at]!, bytes[at + 1]!)] === 1 && isErrorWord(bytes, at)) return at
    else at++
  }
  return -1
}

function isErrorWord(bytes: Uint8Array, at: number): boolean {
  return words.some((word) => isAt(bytes, at, word))
}

function pairOf(first: number, second: number): number {
  return (first & 31) | ((second & 31) << 5)
}

function isAt(bytes: Uint8Array, at: number, word: Uint8Array): boolean {
  for (let index = 0; index < word.length; index++) if ((bytes[at + index]! | 0x20) !== word[index]) return false
  return !isWordByte(bytes[at + word.length] ?? 0)
}

function isWordByte(byte: number): boolean {
  const folded = byte | 0x20
  return (folded >= 0x61 && folded <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x5f
}
