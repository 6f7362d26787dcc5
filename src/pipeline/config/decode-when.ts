// Decodes `when`: which branches, tags and refs.

import { type Condition, parseCondition } from '../languages/condition/condition.ts'
import type { Conditions, When } from './config.ts'
import {
  child,
  type Decoding,
  readEntries,
  readFields,
  reportDoubt,
  reportError,
  reportWarning,
  type Spot,
} from './decoding.ts'

/** Undefined when it is left out: then everything matches. */
export function decodeWhen(decoding: Decoding, spot: Spot | undefined): When | undefined {
  if (spot === undefined) return undefined
  const before = decoding.problems.length
  const fields = readFields(decoding, spot, 'when', 'a map of branch, tag and ref')
  if (fields === undefined) return {}
  const sections = (['branch', 'tag', 'ref'] as const).flatMap((name) => {
    const section = fields.get(name)
    return section === undefined ? [] : [[name, decodeConditions(decoding, section)] as const]
  })
  const isClean = decoding.problems.length === before
  if (isClean && sections.every(([, conditions]) => conditions.include.length === 0))
    reportWarning(decoding, spot, 'this never matches: nothing is included', 'an include in branch, tag or ref')
  return Object.fromEntries(sections)
}

function decodeConditions(decoding: Decoding, spot: Spot): Conditions {
  switch (spot.node.kind) {
    case 'string':
    case 'sequence':
      return { include: decodeList(decoding, spot), exclude: [] }
    case 'mapping': {
      let include: readonly Condition[] = []
      let exclude: readonly Condition[] = []
      for (const { key, spot: value } of readEntries(decoding, spot, 'a map')) {
        if (key === 'include') include = decodeList(decoding, value)
        else if (key === 'exclude') exclude = decodeList(decoding, value)
        else reportError(decoding, value, `expected one of "include" or "exclude", got ${key}`)
      }
      return { include, exclude }
    }
    default:
      reportError(decoding, spot, 'wrong when format', 'a string, a list of strings, or include and exclude')
      return { include: [], exclude: [] }
  }
}

function decodeList(decoding: Decoding, spot: Spot): readonly Condition[] {
  switch (spot.node.kind) {
    case 'string':
      return decodeCondition(decoding, spot, spot.node.value)
    case 'sequence':
      return spot.node.items.flatMap((item, index) => {
        const itemSpot = child(spot, index, item)
        if (item.kind === 'string') return decodeCondition(decoding, itemSpot, item.value)
        reportError(decoding, itemSpot, 'wrong type: expected string', 'a string (in quotes)')
        return []
      })
    case 'null':
      return []
    default:
      reportDoubt(decoding, spot, 'this counts as an empty list', 'a string or a list of strings')
      return []
  }
}

function decodeCondition(decoding: Decoding, spot: Spot, text: string): readonly Condition[] {
  const condition = parseCondition(text)
  if (condition.ok) return [condition.value]
  reportError(decoding, spot, condition.message)
  return []
}
