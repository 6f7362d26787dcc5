// Finds words that make a line look like an error, in any case, where they end a word: `TypeError:` but not `errors`. Every
// byte of every log passes here, so it takes four bytes at a time and asks three tables whether a word may lie over them. No
// look waits for the one before, as those of a shift table do, which was four times as slow. A regular expression took a
// quarter of the whole way of a log.

const words = ['error', 'fatal', 'panic', 'exception', 'traceback', 'fail', 'failed', 'failure'].map((word) =>
  Buffer.from(word),
)
/** Of the letters of a word the first five are asked for. */
const askedLetters = 5
const blockBytes = 4

/**
 * By the low five bits of two bytes, which fold the case of letters (what else falls together is told apart later): a bit
 * for each word and each place of its begin, from a block's first byte to three before it, that those two bytes allow.
 */
const pairBits = 10
const lastTwoBefore = new Int32Array(2 ** pairBits)
const firstTwo = new Int32Array(2 ** pairBits)
const lastTwo = new Int32Array(2 ** pairBits)
const beginnings = [...new Set(words.map((word) => word.toString('latin1', 0, askedLetters)))].filter(
  (beginning, _, all) => !all.some((other) => other !== beginning && beginning.startsWith(other)),
)
for (const [index, beginning] of beginnings.entries())
  for (let before = 0; before < blockBytes; before++) {
    const bit = 1 << (index * blockBytes + before)
    allow(lastTwoBefore, bit, [beginning[before - 2], beginning[before - 1]])
    allow(firstTwo, bit, [beginning[before], beginning[before + 1]])
    allow(lastTwo, bit, [beginning[before + 2], beginning[before + 3]])
  }

const wordsByLetter = Array.from({ length: 32 }, (_, letter) => words.filter((word) => (word[0]! & 31) === letter))

/** Where the first such word at or behind `from` begins; -1 when there is none. */
export function findErrorWord(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length; at += blockBytes) {
    at = findBlock(bytes, at)
    const found = errorWordOver(bytes, at, from)
    if (found !== -1) return found
  }
  return -1
}

/**
 * The first block of four bytes, counted from `from`, over which a word may lie that does not begin before `from`; the one that is
 * cut off by the end when there is none. A function of its own, as small ones are compiled to twice as fast code.
 */
function findBlock(bytes: Uint8Array, from: number): number {
  const [endsBefore, begins, ends] = [lastTwoBefore, firstTwo, lastTwo]
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const end = bytes.length - blockBytes
  let before = 0 // What lies before is no part of a word.
  let at = from
  for (; at <= end; at += blockBytes) {
    const block = view.getInt32(at, true)
    const behind = pairOf(block >>> 16)
    if ((endsBefore[before]! & begins[pairOf(block)]! & ends[behind]!) !== 0) return at
    before = behind
  }
  return at
}

/** Where the first word that begins at one of the three bytes before `block`, or in it, begins. */
function errorWordOver(bytes: Uint8Array, block: number, from: number): number {
  for (let at = Math.max(from, block - blockBytes + 1); at < block + blockBytes; at++)
    for (const word of wordsByLetter[bytes[at]! & 31]!) if (isAt(bytes, at, word)) return at
  return -1
}

/** The letters of one place; an unknown one, or none, may be any. */
function allow(table: Int32Array, bit: number, letters: readonly (string | undefined)[]): void {
  const [first, second] = letters.map((letter) => (letter === undefined ? undefined : letter.charCodeAt(0) & 31))
  for (let pair = 0; pair < table.length; pair++)
    if ((first ?? pair & 31) === (pair & 31) && (second ?? pair >>> 5) === pair >>> 5) table[pair]! |= bit
}

/** Of two bytes, the first of them lowest. */
function pairOf(twoBytes: number): number {
  return (twoBytes & 31) | ((twoBytes >>> 3) & 0x3e0)
}

function isAt(bytes: Uint8Array, at: number, word: Uint8Array): boolean {
  for (let index = 0; index < word.length; index++) if ((bytes[at + index]! | 0x20) !== word[index]) return false
  return !isWordByte(bytes[at + word.length] ?? 0)
}

function isWordByte(byte: number): boolean {
  const folded = byte | 0x20
  return (folded >= 0x61 && folded <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x5f
}
