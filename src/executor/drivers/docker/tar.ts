// Writes small tar archives (POSIX.1-1988 ustar): what the engine takes as the content of a volume or an image.

import { invariant } from '../../../lib/errors.ts'

export type TarEntry = {
  readonly name: string
  readonly mode: number
  readonly uid?: number
  readonly gid?: number
} & (
  | { readonly kind: 'directory' }
  | { readonly kind: 'file'; readonly data: Uint8Array }
  | { readonly kind: 'symlink'; readonly target: string }
)

const blockBytes = 512
/** Of the name field; longer names would need the prefix field. */
const nameBytesMax = 100
const typeFlags = { file: '0', symlink: '2', directory: '5' } as const

/** The whole archive in memory. Names and link targets have at most 100 bytes; times are 0. */
export function encodeTar(entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(encodeEntry), Buffer.alloc(2 * blockBytes)])
}

function encodeEntry(entry: TarEntry): Uint8Array[] {
  const data = entry.kind === 'file' ? entry.data : new Uint8Array(0)
  const padding = (blockBytes - (data.length % blockBytes)) % blockBytes
  return [encodeHeader(entry, data.length), data, Buffer.alloc(padding)]
}

function encodeHeader(entry: TarEntry, size: number): Buffer {
  const header = Buffer.alloc(blockBytes)
  const target = entry.kind === 'symlink' ? entry.target : ''
  invariant(Buffer.byteLength(entry.name) <= nameBytesMax, `tar: the name ${entry.name} is too long`)
  invariant(Buffer.byteLength(target) <= nameBytesMax, `tar: the link target ${target} is too long`)
  const octal = (value: number, offset: number, bytes: number) =>
    header.write(`${value.toString(8).padStart(bytes - 1, '0')}\0`, offset)
  header.write(entry.name, 0)
  octal(entry.mode, 100, 8)
  octal(entry.uid ?? 0, 108, 8)
  octal(entry.gid ?? 0, 116, 8)
  octal(size, 124, 12)
  octal(0, 136, 12)
  header.write(' '.repeat(8), 148) // The checksum counts its own field as spaces.
  header.write(typeFlags[entry.kind], 156)
  header.write(target, 157)
  header.write('ustar\x0000', 257, 'latin1')
  const checksum = header.reduce((sum, byte) => sum + byte, 0)
  header.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}
