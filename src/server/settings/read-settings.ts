// Settings of a server, from a file, the environment and options, in rising order; complete and checked, or all errors at once.

import { readFileSync } from 'node:fs'
import { availableParallelism, homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { parseDocument } from 'yaml'
import { type DatabaseSettings, parseDatabaseSettings } from '../../datamanager/database-config.ts'
import { errorMessage, SlipwayError } from '../../lib/errors.ts'
import type { Json } from '../../lib/json.ts'
import type { ObjectStorageSettings } from '../../objectstorage/open-object-storage.ts'
import { type ComponentName, componentNames, type SettingsFile, settingsSchema } from './settings-schema.ts'

export type Settings = {
  readonly components: ReadonlySet<ComponentName>
  readonly listen: { readonly host: string; readonly port: number }
  /** Without a slash at its end; undefined is where it listens. */
  readonly url: string | undefined
  readonly dataDir: string
  readonly trustProxy: boolean
  readonly database: DatabaseSettings
  readonly objectStorage: ObjectStorageSettings
  readonly keys: {
    readonly installationFile: string | undefined
    readonly retiredFiles: readonly string[]
    readonly servicesFile: string | undefined
    readonly adminTokenFile: string | undefined
  }
  readonly services: { readonly configstore: readonly string[]; readonly runservice: readonly string[] }
  readonly gateway: {
    readonly memberAdding: 'direct' | 'invitation'
    readonly sessionMs: number
    readonly corsOrigins: readonly string[]
  }
  readonly executor: {
    readonly driver: 'auto' | 'docker' | 'host'
    readonly tasks: number
    readonly labels: Readonly<Record<string, string>>
    readonly allowPrivileged: boolean
    readonly allowUnsandboxed: boolean
  }
  /** Milliseconds; 0 keeps for ever. */
  readonly retention: { readonly logsMs: number; readonly workspacesMs: number; readonly cachesMs: number }
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly format: 'text' | 'json' | undefined }
  readonly tracing: { readonly endpoint: string | undefined }
}

export type SettingsSources = {
  /** The YAML (or JSON) file; `config_invalid` when it cannot be read. */
  readonly file?: string
  /** `SLIPWAY_DATABASE_LOG=etcd` sets `database.log`; values are YAML, so a list is `[a, b]`. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Of the command line, by the path of the setting. */
  readonly options?: Readonly<Record<string, Json | undefined>>
}

type Problem = { readonly where: string; readonly what: string }

const dayMs = 24 * 60 * 60 * 1000
const hourMs = 60 * 60 * 1000

/** Errors: `config_invalid` with every problem: where it was said, and what was expected. */
export function readSettings({ file, environment, options = {} }: SettingsSources): Settings {
  const problems: Problem[] = []
  const value = file === undefined ? {} : readFile(file, problems)
  for (const path of settingPaths()) {
    const name = environmentName(path)
    const given = environment[name]
    if (given === undefined || given === '') continue
    set(value, path, parseYaml(given, `the environment variable ${name}`, problems))
  }
  for (const [path, given] of Object.entries(options)) if (given !== undefined) set(value, path.split('.'), given)
  problems.push(...schemaProblems(value))
  if (problems.length === 0) {
    // The schema holds, so this is what it is.
    const said = value as SettingsFile
    const settings = attempt(() => complete(said, environment), problems)
    if (settings !== undefined) {
      problems.push(...contradictions(said, settings))
      if (problems.length === 0) return settings
    }
  }
  const lines = problems.map(({ where, what }) => (where === '' ? what : `${where}: ${what}`))
  throw new SlipwayError(
    'config_invalid',
    `the settings${file === undefined ? '' : ` (${file})`} have errors:\n  ${lines.join('\n  ')}`,
  )
}

/** Every setting that is not a section, as path; `objectStorage` is a choice of sections, whose members are all here. */
export function settingPaths(): readonly (readonly string[])[] {
  const found = new Map<string, readonly string[]>()
  const walk = (schema: unknown, path: readonly string[]): void => {
    const { properties, anyOf } = schema as { properties?: Record<string, unknown>; anyOf?: readonly unknown[] }
    if (properties !== undefined) for (const [name, inner] of Object.entries(properties)) walk(inner, [...path, name])
    else if (anyOf !== undefined) for (const inner of anyOf) walk(inner, path)
    else found.set(path.join('.'), path)
  }
  walk(settingsSchema, [])
  return [...found.values()]
}

/** `database.etcd.caFile` is SLIPWAY_DATABASE_ETCD_CA_FILE. */
export function environmentName(path: readonly string[]): string {
  return `SLIPWAY_${path.map((part) => part.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()).join('_')}`
}

function complete(said: SettingsFile, environment: SettingsSources['environment']): Settings {
  const dataDir = resolve(said.dataDir ?? defaultDataDir(environment))
  const { retention = {}, gateway = {}, executor = {}, keys = {}, services = {} } = said
  return Object.freeze({
    components: componentsOf(said.components ?? ['all']),
    listen: parseListen(said.listen ?? '127.0.0.1:8080'),
    url: said.url === undefined ? undefined : parseUrl('url', said.url),
    dataDir,
    trustProxy: said.trustProxy ?? false,
    database: parseDatabaseSettings(said.database as Json | undefined),
    objectStorage: objectStorageOf(said.objectStorage, dataDir),
    keys: {
      installationFile: keys.installationFile,
      retiredFiles: keys.retiredFiles ?? [],
      servicesFile: keys.servicesFile,
      adminTokenFile: keys.adminTokenFile,
    },
    services: {
      configstore: (services.configstore ?? []).map((url) => parseUrl('services.configstore', url)),
      runservice: (services.runservice ?? []).map((url) => parseUrl('services.runservice', url)),
    },
    gateway: {
      memberAdding: gateway.memberAdding ?? 'direct',
      sessionMs: (gateway.sessionHours ?? 168) * hourMs,
      corsOrigins: (gateway.corsOrigins ?? []).map((origin) => new URL(parseUrl('gateway.corsOrigins', origin)).origin),
    },
    executor: {
      driver: executor.driver ?? 'auto',
      tasks: executor.tasks ?? availableParallelism(),
      labels: executor.labels ?? {},
      allowPrivileged: executor.allowPrivileged ?? false,
      allowUnsandboxed: executor.allowUnsandboxed ?? false,
    },
    retention: {
      logsMs: (retention.logs ?? 30) * dayMs,
      workspacesMs: (retention.workspaces ?? 7) * dayMs,
      cachesMs: (retention.caches ?? 7) * dayMs,
    },
    log: { level: said.log?.level ?? 'info', format: said.log?.format },
    tracing: {
      endpoint: said.tracing?.endpoint === undefined ? undefined : parseUrl('tracing.endpoint', said.tracing.endpoint),
    },
  })
}

/** What each setting alone allows and all together do not. */
function contradictions(said: SettingsFile, { components, services, database, keys }: Settings): Problem[] {
  const problems: Problem[] = []
  const add = (where: string, what: string) => problems.push({ where, what })
  const needed = { gateway: ['configstore', 'runservice'], executor: ['runservice'] } as const
  for (const [component, others] of Object.entries(needed)) {
    if (!components.has(component as ComponentName)) continue
    for (const other of others)
      if (!components.has(other) && services[other].length === 0)
        add(`services.${other}`, `the ${component} needs it: say where it is, or run it here (components)`)
  }
  for (const other of ['configstore', 'runservice'] as const)
    if (components.has(other) && services[other].length > 0)
      add(`services.${other}`, `this process runs the ${other} itself: leave it out`)
  const isWhole = componentNames.every((name) => components.has(name) || name === 'executor')
  if (database.log === 'embedded' && !isWhole)
    add(
      'components',
      'the embedded log is for one process with all services: set database.log to etcd, postgres or bucket',
    )
  if (database.log !== 'embedded' && said.objectStorage === undefined)
    add('objectStorage', `is needed with database.log ${database.log}: all instances share it`)
  if (database.log !== 'embedded' && keys.installationFile === undefined)
    add('keys.installationFile', `is needed with database.log ${database.log}: all instances have the same key`)
  if (!isWhole && keys.servicesFile === undefined)
    add('keys.servicesFile', 'is needed when the services are in several processes: all have the same')
  return problems
}

function componentsOf(names: readonly string[]): ReadonlySet<ComponentName> {
  return new Set(names.includes('all') ? componentNames : (names as readonly ComponentName[]))
}

function parseListen(text: string): Settings['listen'] {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? []
  if (port === undefined || Number(port) > 65_535)
    throw new SlipwayError(
      'config_invalid',
      `listen: ${JSON.stringify(text)} is not HOST:PORT, for example 127.0.0.1:8080 or [::]:8080`,
    )
  return { host: bracketed ?? (plain === '' ? '::' : plain!), port: Number(port) }
}

function parseUrl(where: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isPlain =
    url !== undefined && url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (!isPlain || !['http:', 'https:'].includes(url.protocol))
    throw new SlipwayError(
      'config_invalid',
      `${where}: ${JSON.stringify(text)} is not a URL like https://ci.example.org`,
    )
  return url.href.replace(/\/+$/, '')
}

function objectStorageOf(said: SettingsFile['objectStorage'], dataDir: string): ObjectStorageSettings {
  if (said === undefined) return { type: 'posix', path: join(dataDir, 'objects') }
  if (said.type === 'posix') return { type: 'posix', path: resolve(said.path ?? join(dataDir, 'objects')) }
  const { credentialsFile, ...rest } = said
  return credentialsFile === undefined ? rest : { ...rest, credentials: readCredentials(credentialsFile) }
}

function readCredentials(path: string): { readonly accessKeyId: string; readonly secretAccessKey: string } {
  const fail = (what: string, cause?: unknown) =>
    new SlipwayError('config_invalid', `objectStorage.credentialsFile: ${path} ${what}`, { cause })
  let value: { readonly accessKeyId?: unknown; readonly secretAccessKey?: unknown } | null
  try {
    value = JSON.parse(readFileSync(path, 'utf8')) as typeof value
  } catch (cause) {
    // The message of JSON.parse quotes what it read.
    throw fail(cause instanceof SyntaxError ? 'is not JSON' : `cannot be read: ${errorMessage(cause)}`)
  }
  const { accessKeyId, secretAccessKey } = value ?? {}
  if (typeof accessKeyId !== 'string' || typeof secretAccessKey !== 'string')
    throw fail('has not both accessKeyId and secretAccessKey')
  return { accessKeyId, secretAccessKey }
}

function defaultDataDir(environment: SettingsSources['environment']): string {
  const base = environment.XDG_DATA_HOME
  if (base !== undefined && isAbsolute(base)) return join(base, 'slipway')
  return join(environment.HOME ?? homedir(), '.local', 'share', 'slipway')
}

function readFile(path: string, problems: Problem[]): Record<string, unknown> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new SlipwayError('config_invalid', `read the settings: ${errorMessage(cause)}`, { cause })
  }
  const value = parseYaml(text, '', problems) ?? {}
  if (typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>
  problems.push({ where: '', what: 'the file is not a mapping of settings' })
  return {}
}

function parseYaml(text: string, where: string, problems: Problem[]): unknown {
  const document = parseDocument(text, { version: '1.2', uniqueKeys: true, prettyErrors: true })
  for (const error of document.errors) problems.push({ where, what: error.message.split('\n')[0]!.replace(/:$/, '') })
  return document.errors.length > 0 ? undefined : (document.toJS({ maxAliasCount: 100 }) as unknown)
}

function set(value: Record<string, unknown>, path: readonly string[], given: unknown): void {
  let at = value
  for (const part of path.slice(0, -1)) {
    const inner = at[part]
    const copy: Record<string, unknown> =
      typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? { ...inner } : {}
    at[part] = copy
    at = copy
  }
  at[path.at(-1)!] = given
}

/** In words; of a choice of sections, what is wrong with the one that was meant. */
function schemaProblems(value: Record<string, unknown>): Problem[] {
  const { objectStorage, ...rest } = value
  const problems = problemsOf(settingsSchema, rest, '')
  if (objectStorage === undefined) return problems
  const variants = settingsSchema.properties.objectStorage.anyOf
  const type =
    typeof objectStorage === 'object' && objectStorage !== null && 'type' in objectStorage
      ? objectStorage.type
      : undefined
  const variant = variants.find((candidate) => candidate.properties.type.const === type)
  if (variant === undefined) return [...problems, { where: 'objectStorage.type', what: 'expected posix or s3' }]
  return [...problems, ...problemsOf(variant, objectStorage, 'objectStorage')]
}

function problemsOf(schema: TSchema, value: unknown, base: string): Problem[] {
  const problems: Problem[] = []
  for (const { keyword, instancePath, params, message } of Value.Errors(schema, value)) {
    const where = [base, ...instancePath.split('/').slice(1)].filter((part) => part !== '').join('.')
    const facts = params as {
      additionalProperties?: readonly string[]
      requiredProperties?: readonly string[]
      allowedValues?: readonly unknown[]
    }
    if (keyword === 'additionalProperties')
      for (const name of facts.additionalProperties ?? [])
        problems.push({
          where: where === '' ? name : `${where}.${name}`,
          what: `is no setting${suggestion(schema, where, base, name)}`,
        })
    else if (keyword === 'required')
      for (const name of facts.requiredProperties ?? [])
        problems.push({ where: where === '' ? name : `${where}.${name}`, what: 'is missing' })
    else if (keyword === 'enum') problems.push({ where, what: `expected ${(facts.allowedValues ?? []).join(', ')}` })
    else if (keyword !== 'boolean') problems.push({ where, what: message })
  }
  return problems
}

/** A setting of the same section whose name begins alike, whatever its case. */
function suggestion(schema: unknown, where: string, base: string, name: string): string {
  const inside = base === '' ? where : where.slice(base.length + 1)
  let at = schema as { properties?: Record<string, unknown> } | undefined
  for (const part of inside.split('.').filter((text) => text !== '')) at = at?.properties?.[part] as typeof at
  const fold = (text: string) => text.toLowerCase().replaceAll(/[^a-z]/g, '')
  const known = Object.keys(at?.properties ?? {})
  const near =
    known.find((candidate) => fold(candidate) === fold(name)) ??
    known.find((candidate) => fold(candidate).startsWith(fold(name).slice(0, 4)))
  return near === undefined ? '' : `: did you mean ${near}?`
}

function attempt<T>(action: () => T, problems: Problem[]): T | undefined {
  try {
    return action()
  } catch (error) {
    problems.push({ where: '', what: errorMessage(error) })
    return undefined
  }
}
