// What somebody probably meant who wrote a name that does not exist.

/** The first of `known` that is like `written`; undefined when none is. */
export function findNear(written: string, known: Iterable<string>): string | undefined {
  for (const name of known) if (isNear(name, written)) return name
  return undefined
}

/** One letter wrong, missing, added or two exchanged; hyphens and capitals for underscores. */
function isNear(known: string, written: string): boolean {
  const plain = (text: string) => text.toLowerCase().replace(/[-_]/g, '')
  const [a, b] = [plain(known), plain(written)]
  if (a === b) return true
  if (a.length < 3 || Math.abs(a.length - b.length) > 1) return false
  let start = 0
  while (start < a.length && a[start] === b[start]) start++
  let end = 0
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end++
  const [restA, restB] = [a.slice(start, a.length - end), b.slice(start, b.length - end)]
  return (restA.length <= 1 && restB.length <= 1) || (restA.length === 2 && restA === [...restB].reverse().join(''))
}
