// The conditions of a value, as one line each in a form and as one line to read.

import type { Variable } from '../../api/types.ts'

export type When = NonNullable<Variable['values'][number]['when']>

const kinds = ['branch', 'tag', 'ref'] as const

/** `branch main, release-*; not tag v0-*; ref /^refs/`. */
export function whenText(when: When | undefined): string {
  if (when === undefined) return 'always'
  const parts: string[] = []
  for (const kind of kinds) {
    for (const [words, list] of [
      [kind, when[kind]?.include],
      [`not ${kind}`, when[kind]?.exclude],
    ] as const)
      if (list !== undefined && list.length > 0)
        parts.push(`${words} ${list.map(({ type, match }) => (type === 'regexp' ? `/${match}/` : match)).join(', ')}`)
  }
  return parts.length === 0 ? 'always' : parts.join('; ')
}

/** The other way. Throws what is wrong with it, in words for people. */
export function parseWhen(text: string): When | undefined {
  const trimmed = text.trim()
  if (trimmed === '' || trimmed === 'always') return undefined
  const when: { [K in (typeof kinds)[number]]?: { include?: Condition[]; exclude?: Condition[] } } = {}
  for (const part of partsOf(trimmed)) {
    const found = /^(not\s+)?(branch|tag|ref)\s+(.+)$/.exec(part)
    if (found === null)
      throw new Error(
        `“${part}” is none: expected “branch NAME”, “tag NAME” or “ref NAME”, with “not” before it to leave those out.`,
      )
    const kind = found[2] as (typeof kinds)[number]
    const side = found[1] === undefined ? 'include' : 'exclude'
    const conditions = splitOutsideRegexps(found[3]!).map(conditionOf)
    when[kind] = { ...when[kind], [side]: [...(when[kind]?.[side] ?? []), ...conditions] }
  }
  return when
}

type Condition = { type: 'simple' | 'regexp'; match: string }

function conditionOf(text: string): Condition {
  const inner = /^\/(.*)\/$/.exec(text)?.[1]
  return inner === undefined ? { type: 'simple', match: text } : { type: 'regexp', match: inner }
}

/** A semicolon inside a regular expression ends nothing; such an expression stands after a space or comma. */
function partsOf(text: string): string[] {
  return (text.match(/(?:(?<=[\s,])\/(?:[^/\\]|\\.)*\/|[^;])+/g) ?? []).map((one) => one.trim())
}

function splitOutsideRegexps(text: string): string[] {
  return (text.match(/\s*(?:\/(?:[^/\\]|\\.)*\/|[^,]+)/g) ?? []).map((one) => one.trim()).filter((one) => one !== '')
}
