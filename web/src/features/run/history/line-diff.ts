// Two texts, line by line: what stayed, what went, what came.

export type DiffLine = { readonly kind: 'same' | 'removed' | 'added'; readonly text: string }

/** Beyond, everything counts as replaced: the table would take too long. */
const cellsMax = 4_000_000

export function diffLines(before: string, after: string): readonly DiffLine[] {
  const a = before.split('\n')
  const b = after.split('\n')
  let head = 0
  while (head < a.length && head < b.length && a[head] === b[head]) head++
  let tail = 0
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++
  const same = (texts: readonly string[]) => texts.map((text) => ({ kind: 'same' as const, text }))
  return [
    ...same(a.slice(0, head)),
    ...diffMiddle(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...same(a.slice(a.length - tail)),
  ]
}

/** By the longest common subsequence. */
function diffMiddle(a: readonly string[], b: readonly string[]): readonly DiffLine[] {
  const removed = (text: string): DiffLine => ({ kind: 'removed', text })
  const added = (text: string): DiffLine => ({ kind: 'added', text })
  if (a.length * b.length > cellsMax || a.length === 0 || b.length === 0) return [...a.map(removed), ...b.map(added)]
  const width = b.length + 1
  const lengths = new Uint32Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      lengths[i * width + j] =
        a[i] === b[j]
          ? lengths[(i + 1) * width + j + 1]! + 1
          : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!)
  const lines: DiffLine[] = []
  let [i, j] = [0, 0]
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      lines.push({ kind: 'same', text: a[i]! })
      i++
      j++
    } else if (lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!) lines.push(removed(a[i++]!))
    else lines.push(added(b[j++]!))
  }
  return [...lines, ...a.slice(i).map(removed), ...b.slice(j).map(added)]
}

export type DiffHunk = { readonly lines: readonly DiffLine[]; readonly skippedBefore: number }

/** Only what changed, with a few lines around. */
export function hunksOf(lines: readonly DiffLine[], around = 3): readonly DiffHunk[] {
  const isNear = lines.map((_, at) =>
    lines.slice(Math.max(0, at - around), at + around + 1).some(({ kind }) => kind !== 'same'),
  )
  const hunks: { lines: DiffLine[]; skippedBefore: number }[] = []
  let skipped = 0
  for (const [at, line] of lines.entries()) {
    if (!isNear[at]) {
      skipped++
      continue
    }
    if (at === 0 || !isNear[at - 1]) hunks.push({ lines: [], skippedBefore: skipped })
    skipped = 0
    hunks.at(-1)!.lines.push(line)
  }
  return hunks
}
