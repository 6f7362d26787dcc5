// Whether a `when` matches an event, and which rule of it decided. Sections are looked at in the order branch, tag, ref;
// inside a section an exclude beats an include; the last section that matches anything decides.

import type { Conditions, When } from './config/config.ts'
import type { GitEvent } from './event.ts'
import { type Condition, matchCondition } from './languages/condition/condition.ts'
import type { SkippedWhen } from './run-config.ts'

export type WhenMatch =
  /** `rule`: what matched, for example `branch main`; undefined when there is no `when`. */
  { readonly matches: true; readonly rule?: string } | { readonly matches: false; readonly skipped: SkippedWhen }

type Section = { readonly name: 'branch' | 'tag' | 'ref'; readonly conditions: Conditions; readonly text: string }

/** Pure and linear in the length of the texts: conditions run on an engine without backtracking. */
export function matchWhen(when: When | undefined, event: GitEvent): WhenMatch {
  if (when === undefined) return { matches: true }
  let decided: WhenMatch | undefined
  for (const section of sectionsFor(when, event)) {
    const include = section.conditions.include.find((condition) => matchCondition(condition, section.text))
    const exclude = section.conditions.exclude.find((condition) => matchCondition(condition, section.text))
    if (exclude !== undefined) {
      const rule = `${section.name} exclude ${formatCondition(exclude)}`
      decided = { matches: false, skipped: { rule, ref: section.text } }
    } else if (include !== undefined) {
      decided = { matches: true, rule: `${section.name} ${formatCondition(include)}` }
    }
  }
  return decided ?? { matches: false, skipped: { rule: formatWhen(when), ref: comparedWith(when, event) } }
}

/** The sections that can apply: a branch is never compared with a tag condition, a pull request only with `ref`. */
function sectionsFor(when: When, event: GitEvent): Section[] {
  const sections: Section[] = []
  if (when.branch !== undefined && event.refType === 'branch' && event.branch !== '')
    sections.push({ name: 'branch', conditions: when.branch, text: event.branch })
  if (when.tag !== undefined && event.refType === 'tag' && event.tag !== '')
    sections.push({ name: 'tag', conditions: when.tag, text: event.tag })
  if (when.ref !== undefined) sections.push({ name: 'ref', conditions: when.ref, text: event.ref })
  return sections
}

/** What the reader should compare the rule with: the one text that was, else the full ref. */
function comparedWith(when: When, event: GitEvent): string {
  const [section, ...others] = sectionsFor(when, event)
  return section === undefined || others.length > 0 ? event.ref : section.text
}

/** The includes of a `when` on one line: `branch main, /^release/; tag v1`; `{}` when it says nothing. */
export function formatWhen(when: When): string {
  const sections = (['branch', 'tag', 'ref'] as const).flatMap((name) => {
    const include = when[name]?.include
    if (include === undefined) return []
    return [`${name} ${include.length === 0 ? 'without an include' : include.map(formatCondition).join(', ')}`]
  })
  return sections.length === 0 ? '{}' : sections.join('; ')
}

function formatCondition(condition: Condition): string {
  return condition.type === 'regexp' ? `/${condition.match}/` : condition.match
}
