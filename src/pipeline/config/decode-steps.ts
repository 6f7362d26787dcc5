// Decodes the steps of a task, in the long form `{type: run, command: make}` and the short one, `{run: make}`.

import { limits } from '../../lib/limits.ts'
import { escapeSegment } from '../group.ts'
import { parseGlob } from '../languages/glob/glob.ts'
import { malformed, type Parsed } from '../languages/parsed.ts'
import { parseTemplate } from '../languages/template/parse-template.ts'
import type { ArchiveContent } from '../run-config.ts'
import { type ConfigStep, cloneStepName } from './config.ts'
import { decodeEnvironment } from './decode-values.ts'
import { decodeWhen } from './decode-when.ts'
import {
  child,
  type Decoding,
  Fields,
  fieldsOf,
  placed,
  readBoolean,
  readInteger,
  readList,
  readString,
  readStrings,
  reportDoubt,
  reportError,
  reportWarning,
  reportWrongType,
  type Spot,
} from './decoding.ts'
import { type StepKind, stepScopes } from './keys.ts'
import { stepName } from './step-name.ts'

export type StepOwner = { readonly taskName: string }

export function decodeSteps(decoding: Decoding, spot: Spot | undefined, owner: StepOwner): readonly ConfigStep[] {
  return readList(decoding, spot, 'a list of steps').flatMap((item, index) => {
    const written = readKind(decoding, item, index)
    if (written === undefined) return []
    const step = decodeStep(decoding, written, { ...owner, index })
    return step === undefined ? [] : [placed(decoding, item, step)]
  })
}

/** The fields of a step and where they stand: under the kind in the short form. */
type WrittenStep = { readonly kind: StepKind; readonly spot: Spot; readonly fields: Fields; readonly command?: string }

const stepForms = `a map such as "run: make" or "type: run", one of ${[...stepScopes.keys()].join(', ')}`

function readKind(decoding: Decoding, spot: Spot, index: number): WrittenStep | undefined {
  const { node, path } = spot
  if (node.kind === 'null') return reportError(decoding, spot, `step at index ${index} is empty`, stepForms)
  if (node.kind === 'string' && stepScopes.has(node.value))
    return reportError(decoding, spot, 'wrong type: a string', `"- ${node.value}:" with a colon`)
  if (node.kind !== 'mapping') return reportWrongType(decoding, spot, stepForms)
  const type = node.entries.find(({ key }) => key === 'type')
  if (type !== undefined) {
    const typeSpot = child(spot, 'type', type.value)
    if (type.value.kind !== 'string')
      return reportError(decoding, typeSpot, `step type at index ${index} must be a string`)
    const known = stepScopes.get(type.value.value)
    if (known === undefined) return reportUnknownKind(decoding, typeSpot, type.value.value)
    return { kind: known.kind, spot, fields: fieldsOf(decoding, { node, path }, known.scope, ['type']) }
  }
  const [only, ...others] = node.entries
  if (only === undefined) return reportError(decoding, spot, `step at index ${index} is empty`, stepForms)
  if (others.length > 0)
    return reportError(
      decoding,
      spot,
      `wrong steps description at index ${index}: more than one step name per list entry`,
      'one key, the kind of the step, with everything else indented under it',
    )
  const known = stepScopes.get(only.key)
  const inner = child(spot, only.key, only.value)
  if (known === undefined) return reportUnknownKind(decoding, inner, only.key)
  if (only.value.kind === 'mapping')
    return {
      kind: known.kind,
      spot: inner,
      fields: fieldsOf(decoding, { node: only.value, path: inner.path }, known.scope),
    }
  const none = new Fields(new Map())
  if (only.value.kind === 'null') return { kind: known.kind, spot: inner, fields: none }
  if (known.kind === 'run' && only.value.kind === 'string')
    return { kind: 'run', spot: inner, fields: none, command: only.value.value }
  return reportWrongType(decoding, inner, known.kind === 'run' ? 'a command (string) or a map' : 'a map')
}

function reportUnknownKind(decoding: Decoding, spot: Spot, kind: string): undefined {
  reportError(decoding, spot, `unknown step type: ${kind}`, `one of ${[...stepScopes.keys()].join(', ')}`)
}

type StepPlace = StepOwner & { readonly index: number }

function decodeStep(decoding: Decoding, written: WrittenStep, at: StepPlace): ConfigStep | undefined {
  const { kind, fields, spot } = written
  const name = readString(decoding, fields.get('name')) ?? ''
  const when = fields.get('when')
  if (when !== undefined) {
    decodeWhen(decoding, when)
    reportDoubt(decoding, when, 'a step has no condition of its own: this has no effect', '"when" on the task')
  }
  switch (kind) {
    case 'clone':
      return {
        type: 'clone',
        name: name === '' ? cloneStepName : name,
        ...decodeDepth(decoding, fields.get('depth'), at),
        recurseSubmodules: readBoolean(decoding, fields.get('recurse_submodules')) ?? false,
        ...(readBoolean(decoding, fields.get('lfs')) ? { lfs: true as const } : {}),
      }
    case 'run':
      return decodeRun(decoding, written, { name, at })
    case 'save_to_workspace':
      return { type: 'save_to_workspace', name, contents: decodeContents(decoding, fields.get('contents'), []) }
    case 'restore_workspace':
      return { type: 'restore_workspace', name, destDir: readString(decoding, fields.get('dest_dir')) ?? '' }
    case 'save_cache': {
      const keySpot = fields.get('key')
      const key = readString(decoding, keySpot) ?? ''
      const parsedKey = parseCacheKey(key)
      if (keySpot !== undefined && !parsedKey.ok) reportDoubt(decoding, keySpot, parsedKey.message)
      if (key === '')
        reportError(decoding, spot, `no key defined for step ${at.index} (save_cache) in task "${at.taskName}"`)
      return { type: 'save_cache', name, key, contents: decodeContents(decoding, fields.get('contents'), ['**']) }
    }
    case 'restore_cache': {
      const keysSpot = fields.get('keys')
      const keys = readStrings(decoding, keysSpot, parseCacheKey)
      // A list of the wrong type has been reported already.
      if (keys.length === 0 && (keysSpot === undefined || keysSpot.node.kind === 'sequence'))
        reportError(decoding, spot, `no keys defined for step ${at.index} (restore_cache) in task "${at.taskName}"`)
      return { type: 'restore_cache', name, keys, destDir: readString(decoding, fields.get('dest_dir')) ?? '' }
    }
  }
}

/** The reference finds out when the step is executed. */
function parseCacheKey(key: string): Parsed<unknown> {
  const template = parseTemplate(key)
  if (!template.ok || key.includes('{{')) return template
  const bytesMax = limits.cacheKeyBytes.value
  return escapeSegment(key).length > bytesMax ? malformed(`a cache key longer than ${bytesMax} bytes`) : template
}

function decodeDepth(decoding: Decoding, spot: Spot | undefined, at: StepPlace): { readonly depth?: number } {
  const depth = readInteger(decoding, spot)
  if (spot === undefined || depth === undefined) return {}
  if (depth < 1)
    reportError(decoding, spot, `depth value must be greater than 0 for clone step in task "${at.taskName}"`)
  return { depth }
}

function decodeRun(
  decoding: Decoding,
  written: WrittenStep,
  { name, at }: { readonly name: string; readonly at: StepPlace },
): ConfigStep {
  const { fields, spot } = written
  const before = decoding.problems.length
  const command = written.command ?? readString(decoding, fields.get('command')) ?? ''
  if (command === '' && decoding.problems.length === before)
    reportError(decoding, spot, `no command defined for step ${at.index} (run) in task "${at.taskName}"`)
  return {
    type: 'run',
    name: name === '' ? stepName(command) : name,
    command,
    environment: decodeEnvironment(decoding, fields.get('environment')),
    workingDir: readString(decoding, fields.get('working_dir')) ?? '',
    shell: readString(decoding, fields.get('shell')) ?? '',
    tty: readBoolean(decoding, fields.get('tty')) ?? true,
  }
}

function decodeContents(
  decoding: Decoding,
  spot: Spot | undefined,
  defaultPaths: readonly string[],
): readonly ArchiveContent[] {
  return readList(decoding, spot, 'a list of contents').flatMap((item, index) => {
    if (item.node.kind === 'null') {
      reportError(decoding, item, `content at index ${index} is empty`, 'a map of source_dir, dest_dir and paths')
      return []
    }
    if (item.node.kind !== 'mapping') {
      reportWrongType(decoding, item, 'a map of source_dir, dest_dir and paths')
      return []
    }
    const fields = fieldsOf(decoding, { node: item.node, path: item.path }, 'content')
    const written = readStrings(decoding, fields.get('paths'), parseGlob)
    const paths = written.length === 0 ? defaultPaths : written
    if (paths.length === 0)
      reportWarning(decoding, item, 'nothing is saved: this has no paths', 'paths, for example ["**"] for everything')
    return [
      {
        sourceDir: readString(decoding, fields.get('source_dir')) ?? '',
        destDir: readString(decoding, fields.get('dest_dir')) ?? '',
        paths,
      },
    ]
  })
}
