// Names of keys on a posix file system, such that different keys never meet: an object and a longer key below it, keys that
// differ in case or Unicode form only (some file systems fold them), segments longer than a file name may be.
//
// A segment becomes a name of lower case ASCII: a letter for what it is, then the segment with all bytes but `a-z 0-9 . _ -`
// escaped as `%xx`. `f` is an object, `d` a folder of longer keys. A segment of at least 80 bytes is taken apart: a folder
// `c` holds its first 80 bytes, and inside stands the rest, which may be empty. Because every name begins with such a letter,
// `.` and `..` cannot be spelled.

/** At most 240 characters escaped, below the usual 255. */
const pieceBytes = 80

export type PosixEntryKind = 'object' | 'folder' | 'continued'

const letterOf: Readonly<Record<PosixEntryKind, string>> = { object: 'f', folder: 'd', continued: 'c' }

/** The path below the data directory of the object with that key. */
export function pathOfKey(key: string): string {
  const segments = key.split('/').map((segment) => Buffer.from(segment).toString('latin1'))
  const last = segments.pop() ?? ''
  return [...segments.flatMap((segment) => namesOf(segment, 'folder')), ...namesOf(last, 'object')].join('/')
}

/**
 * The deepest directory that holds every key with that prefix, and the beginning of keys it stands for. Text is bytes as
 * latin1 characters, so that comparing strings compares bytes.
 */
export function deepestFolder(prefix: string): { readonly path: string; readonly base: string } {
  const segments = prefix.split('/')
  const partial = segments.pop() ?? ''
  const names = segments.flatMap((segment) => namesOf(segment, 'folder'))
  const wholePieces = Math.floor(partial.length / pieceBytes) * pieceBytes
  for (let at = 0; at < wholePieces; at += pieceBytes)
    names.push(nameOf(partial.slice(at, at + pieceBytes), 'continued'))
  return { path: names.join('/'), base: prefix.slice(0, prefix.length - partial.length + wholePieces) }
}

/** The kind and bytes (as latin1) of a name; undefined when it is not one of ours. */
export function parseName(name: string): { readonly kind: PosixEntryKind; readonly text: string } | undefined {
  const kind = name[0] === 'f' ? 'object' : name[0] === 'd' ? 'folder' : name[0] === 'c' ? 'continued' : undefined
  if (kind === undefined || !/^(?:[a-z0-9._-]|%[0-9a-f]{2})*$/.test(name.slice(1))) return undefined
  const text = name.slice(1).replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return { kind, text }
}

function namesOf(segment: string, kind: 'object' | 'folder'): string[] {
  const names: string[] = []
  let rest = segment
  while (rest.length >= pieceBytes) {
    names.push(nameOf(rest.slice(0, pieceBytes), 'continued'))
    rest = rest.slice(pieceBytes)
  }
  return [...names, nameOf(rest, kind)]
}

function nameOf(text: string, kind: PosixEntryKind): string {
  const escaped = text.replace(
    /[^a-z0-9._-]/g,
    (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
  return letterOf[kind] + escaped
}
