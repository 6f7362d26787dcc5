// How the rows of a snapshot are divided: the ranges of ids that are looked at one by one, and the bounds of files. Pure.

import { compareUtf8 } from '../../lib/compare-utf8.ts'
import { type DataFile, transactionsType } from './data-file.ts'

/** Ids of one type from `from` (inclusive, '' is before all) to `to` (exclusive, undefined is after all). */
export type IdRange = { readonly type: string; readonly from: string; readonly to: string | undefined }

/** A range with the files of the snapshot before that hold it: carried over together or encoded anew together. */
export type PlannedRange = IdRange & { readonly files: readonly DataFile[] }

/**
 * Every id of every type of `types` or `files` is in exactly one range. Neighbours that are small together are one range,
 * so that files which deletions emptied become one again when anything in them changes.
 */
export function planRanges(
  files: readonly DataFile[],
  types: readonly string[],
  fileBytesMax: number,
): readonly PlannedRange[] {
  const rows = files.filter(({ type }) => type !== transactionsType)
  const names = [...new Set([...types, ...rows.map(({ type }) => type)])].sort(compareUtf8)
  return names.flatMap((type) => {
    const groups = groupSmall(
      rows.filter((file) => file.type === type),
      fileBytesMax / 2,
    )
    if (groups.length === 0) return [{ type, from: '', to: undefined, files: [] }]
    return groups.map((group, at) => ({
      type,
      from: at === 0 ? '' : group[0]!.first,
      to: groups[at + 1]?.[0]?.first,
      files: group,
    }))
  })
}

/** The ids that belong to each of `files`, which are all files of one type in their order. */
export function rangesOfFiles(files: readonly DataFile[]): readonly IdRange[] {
  return files.map(({ type, first }, at) => ({ type, from: at === 0 ? '' : first, to: files[at + 1]?.first }))
}

export function isWithin(id: string, { from, to }: IdRange): boolean {
  return compareUtf8(id, from) >= 0 && (to === undefined || compareUtf8(id, to) < 0)
}

function groupSmall(files: readonly DataFile[], bytesMax: number): DataFile[][] {
  const groups: DataFile[][] = []
  let bytes = 0
  for (const file of files) {
    const group = groups.at(-1)
    if (group && bytes + file.rawBytes <= bytesMax) {
      group.push(file)
      bytes += file.rawBytes
    } else {
      groups.push([file])
      bytes = file.rawBytes
    }
  }
  return groups
}
