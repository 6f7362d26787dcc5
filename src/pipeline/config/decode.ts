// Document -> config. Nothing is thrown and nothing stops at the first mistake: what is wrong is reported and replaced by
// its default, so that the rest can be looked at too. A config with errors is good for finding more of them, no more.

import { parseImageName } from '../languages/image-name/image-name.ts'
import type { Node } from '../languages/yaml11/tree.ts'
import { type Arch, archs, type DependCondition, dependConditions, type TmpfsVolume } from '../run-config.ts'
import {
  type Config,
  type ConfigContainer,
  type ConfigRun,
  type ConfigRuntime,
  type ConfigTask,
  type Depend,
  type Dialect,
  defaultShell,
  defaultWorkingDir,
} from './config.ts'
import { decodeSteps } from './decode-steps.ts'
import { decodeCredentials, decodeEnvironment, decodeSize, decodeTimeout } from './decode-values.ts'
import { decodeWhen } from './decode-when.ts'
import {
  child,
  type Decoding,
  type Fields,
  fieldsOf,
  placed,
  readBoolean,
  readEntries,
  readFields,
  readList,
  readString,
  readText,
  reportDoubt,
  reportError,
  reportWarning,
  reportWrongType,
  type Spot,
} from './decoding.ts'
import type { Problem } from './diagnostic.ts'
import type { Place } from './place.ts'

export type DecodedConfig = {
  /** Complete and usable when no problem is an error. */
  readonly config: Config
  readonly problems: readonly Problem[]
  /** Where each run, task, step and dependency of `config` is written. */
  readonly places: ReadonlyMap<object, Place>
}

export function decodeConfig(root: Node, dialect: Dialect): DecodedConfig {
  const decoding: Decoding = { dialect, problems: [], places: new Map() }
  const config = decodeTop(decoding, { node: root, path: [] })
  return { config, problems: decoding.problems, places: decoding.places }
}

function decodeTop(decoding: Decoding, spot: Spot): Config {
  const isEmpty = spot.node.kind === 'null'
  const fields = isEmpty ? undefined : readFields(decoding, spot, 'config', 'a map with "runs"')
  const runsSpot = fields?.get('runs')
  const isWrong = (fields === undefined && !isEmpty) || (runsSpot !== undefined && runsSpot.node.kind !== 'sequence')
  const items = readList(decoding, runsSpot, 'a list of runs')
  if (items.length === 0 && !isWrong)
    reportError(decoding, runsSpot ?? spot, 'no runs defined', 'runs: a list with at least one run')
  return {
    runs: items.flatMap((item, index) => decodeRun(decoding, item, index) ?? []),
    registryAuth: decodeCredentials(decoding, fields?.get('docker_registries_auth'), ''),
    ...optional('taskTimeoutMs', decodeTimeout(decoding, fields?.get('task_timeout_interval'))),
  }
}

function decodeRun(decoding: Decoding, spot: Spot, index: number): ConfigRun | undefined {
  if (spot.node.kind === 'null') return reportError(decoding, spot, `run at index ${index} is empty`)
  const fields = readFields(decoding, spot, 'run', 'a run (a map)')
  if (fields === undefined) return undefined
  const name = readName(decoding, fields, { spot, emptyMessage: `run at index ${index} has empty name` })
  const tasks = readList(decoding, fields.get('tasks'), 'a list of tasks').flatMap(
    (item, taskIndex) => decodeTask(decoding, item, { runName: name, index: taskIndex }) ?? [],
  )
  return placed(decoding, spot, {
    name,
    tasks,
    ...optional('when', decodeWhen(decoding, fields.get('when'))),
    registryAuth: decodeCredentials(decoding, fields.get('docker_registries_auth'), `run "${name}", `),
    ...optional('taskTimeoutMs', decodeTimeout(decoding, fields.get('task_timeout_interval'))),
  })
}

function readName(
  decoding: Decoding,
  fields: Fields,
  { spot, emptyMessage }: { readonly spot: Spot; readonly emptyMessage: string },
): string {
  const nameSpot = fields.get('name')
  const name = readText(decoding, nameSpot)
  const isWrongType = nameSpot !== undefined && name === undefined
  if ((name ?? '') === '' && !isWrongType) reportError(decoding, nameSpot ?? spot, emptyMessage)
  return name ?? ''
}

type TaskPlace = { readonly runName: string; readonly index: number }

function decodeTask(decoding: Decoding, spot: Spot, { runName, index }: TaskPlace): ConfigTask | undefined {
  const owner = `run "${runName}": task at index ${index}`
  if (spot.node.kind === 'null') return reportError(decoding, spot, `${owner} is empty`)
  const fields = readFields(decoding, spot, 'task', 'a task (a map)')
  if (fields === undefined) return undefined
  const name = readName(decoding, fields, { spot, emptyMessage: `${owner} has empty name` })
  const shell = readText(decoding, fields.get('shell')) ?? ''
  return placed(decoding, spot, {
    name,
    runtime: decodeRuntime(decoding, fields.get('runtime'), { taskSpot: spot, taskName: name }),
    environment: decodeEnvironment(decoding, fields.get('environment')),
    workingDir: (readText(decoding, fields.get('working_dir')) ?? '') || defaultWorkingDir,
    shell: checkWords(decoding, fields.get('shell'), shell) || defaultShell,
    user: readText(decoding, fields.get('user')) ?? '',
    steps: decodeSteps(decoding, fields.get('steps'), { taskName: name }),
    depends: readList(decoding, fields.get('depends'), 'a list of dependencies').flatMap(
      (item) => decodeDepend(decoding, item) ?? [],
    ),
    ignoreFailure: readBoolean(decoding, fields.get('ignore_failure')) ?? false,
    approval: readBoolean(decoding, fields.get('approval')) ?? false,
    ...optional('when', decodeWhen(decoding, fields.get('when'))),
    registryAuth: decodeCredentials(
      decoding,
      fields.get('docker_registries_auth'),
      `run "${runName}", task "${name}", `,
    ),
    ...optional('timeoutMs', decodeTimeout(decoding, fields.get('task_timeout_interval'))),
    executorLabels: decodeExecutor(decoding, fields.get('executor')),
  })
}

/** Slipway only. */
function decodeExecutor(decoding: Decoding, spot: Spot | undefined): Readonly<Record<string, string>> {
  if (spot === undefined) return {}
  const fields = readFields(decoding, spot, 'executor', 'a map with "labels"')
  const entries = readEntries(decoding, fields?.get('labels'), 'a map of label names to values')
  return Object.fromEntries(
    entries.map(({ key, spot: value }) => {
      if (value.node.kind === 'null') reportError(decoding, value, 'is empty', 'the value of the label (a string)')
      return [key, readString(decoding, value) ?? '']
    }),
  )
}

type RuntimeOwner = { readonly taskSpot: Spot; readonly taskName: string }

function decodeRuntime(
  decoding: Decoding,
  spot: Spot | undefined,
  { taskSpot, taskName }: RuntimeOwner,
): ConfigRuntime {
  const none: ConfigRuntime = { type: 'pod', containers: [] }
  if (spot === undefined) {
    reportError(decoding, taskSpot, `task "${taskName}": runtime is not defined`, 'runtime with containers')
    return none
  }
  const fields = readFields(decoding, spot, 'runtime', 'a map with "containers"')
  if (fields === undefined) return none
  const typeSpot = fields.get('type')
  const type = readText(decoding, typeSpot) ?? ''
  if (typeSpot !== undefined && type !== '' && type !== 'pod')
    reportError(decoding, typeSpot, `task "${taskName}" runtime: wrong type "${type}"`, 'pod')
  const containersSpot = fields.get('containers')
  const items = readList(decoding, containersSpot, 'a list of containers')
  if (items.length === 0 && (containersSpot === undefined || containersSpot.node.kind === 'sequence'))
    reportError(decoding, containersSpot ?? spot, `task "${taskName}" runtime: at least one container must be defined`)
  return {
    type: 'pod',
    ...optional('arch', decodeArch(decoding, fields.get('arch'), taskName)),
    containers: items.flatMap(
      (item, index) =>
        decodeContainer(decoding, item, `task "${taskName}" runtime: container at index ${index} is empty`) ?? [],
    ),
  }
}

function decodeArch(decoding: Decoding, spot: Spot | undefined, taskName: string): Arch | undefined {
  const text = readText(decoding, spot) ?? ''
  const arch = archs.find((known) => known === text)
  if (spot !== undefined && arch === undefined && text !== '')
    reportError(decoding, spot, `task "${taskName}" runtime: invalid arch "${text}"`, `one of ${archs.join(', ')}`)
  return arch
}

function decodeContainer(decoding: Decoding, spot: Spot, emptyMessage: string): ConfigContainer | undefined {
  if (spot.node.kind === 'null') return reportError(decoding, spot, emptyMessage, 'a map with "image"')
  const fields = readFields(decoding, spot, 'container', 'a container (a map with "image")')
  if (fields === undefined) return undefined
  const entrypoint = readText(decoding, fields.get('entrypoint')) ?? ''
  return {
    image: decodeImage(decoding, fields.get('image'), spot),
    environment: decodeEnvironment(decoding, fields.get('environment')),
    user: readText(decoding, fields.get('user')) ?? '',
    privileged: readBoolean(decoding, fields.get('privileged')) ?? false,
    entrypoint: checkWords(decoding, fields.get('entrypoint'), entrypoint),
    volumes: readList(decoding, fields.get('volumes'), 'a list of volumes').flatMap(
      (item) => decodeVolume(decoding, item) ?? [],
    ),
  }
}

function decodeImage(decoding: Decoding, spot: Spot | undefined, container: Spot): string {
  const image = readText(decoding, spot) ?? ''
  if (image === '') {
    // Fine for the host driver alone.
    reportWarning(decoding, container, 'no image: only the host driver can execute this', 'image')
    return ''
  }
  const name = parseImageName(image)
  if (!name.ok) reportDoubt(decoding, spot ?? container, name.message)
  return image
}

function decodeVolume(decoding: Decoding, spot: Spot): TmpfsVolume | undefined {
  const expected = 'path and tmpfs, for example {path: /scratch, tmpfs: {size: 1Gi}}'
  if (spot.node.kind !== 'null' && spot.node.kind !== 'mapping') return reportWrongType(decoding, spot, expected)
  const fields =
    spot.node.kind === 'null' ? undefined : fieldsOf(decoding, { node: spot.node, path: spot.path }, 'volume')
  const tmpfs = fields?.get('tmpfs')
  if (tmpfs === undefined) return reportError(decoding, spot, 'no volume config specified', expected)
  const tmpfsFields = readFields(decoding, tmpfs, 'tmpfs', 'a map with "size", or {} for no limit')
  return {
    path: readText(decoding, fields?.get('path')) ?? '',
    tmpfs: { sizeBytes: decodeSize(decoding, tmpfsFields?.get('size')) },
  }
}

function decodeDepend(decoding: Decoding, spot: Spot): Depend | undefined {
  const { node, path } = spot
  if (node.kind === 'string') return placed<Depend>(decoding, spot, { task: node.value, conditions: ['on_success'] })
  const forms = '"build", "build: [on_success]" or "task: build" (numbers in quotes)'
  const malformed = 'unsupported depend entry format'
  if (node.kind !== 'mapping') return reportError(decoding, spot, malformed, forms)
  const [only, ...others] = node.entries
  if (only !== undefined && others.length === 0 && only.value.kind !== 'string') {
    if (only.value.kind !== 'sequence') return reportError(decoding, spot, malformed, forms)
    const conditions = decodeConditions(decoding, child(spot, only.key, only.value))
    return placed(decoding, spot, { task: only.key, conditions })
  }
  const fields = fieldsOf(decoding, { node, path }, 'depend')
  const task = readString(decoding, fields.get('task')) ?? ''
  return placed(decoding, spot, { task, conditions: decodeConditions(decoding, fields.get('conditions')) })
}

/** Nothing written means success; unknown ones match nothing, so that only unknown ones never match. */
function decodeConditions(decoding: Decoding, spot: Spot | undefined): readonly DependCondition[] {
  const items = readList(decoding, spot, 'a list of conditions')
  if (items.length === 0) return ['on_success']
  return items.flatMap((item) => {
    const text = item.node.kind === 'null' ? '' : readString(decoding, item)
    const condition = dependConditions.find((known) => known === text)
    if (condition !== undefined) return [condition]
    if (text !== undefined)
      reportDoubt(decoding, item, `unknown condition "${text}" never matches`, `one of ${dependConditions.join(', ')}`)
    return []
  })
}

/** Shells and entrypoints are split on single spaces, without quoting. */
function checkWords(decoding: Decoding, spot: Spot | undefined, text: string): string {
  if (spot !== undefined && text !== '' && text.split(' ').includes(''))
    reportWarning(decoding, spot, 'split on single spaces, this has empty words', 'one space between words')
  return text
}

function optional<Key extends string, T>(key: Key, value: T | undefined): { readonly [K in Key]?: T } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [K in Key]?: T }
}
