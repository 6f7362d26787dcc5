// Settings of a server, from a file, the environment and options, in rising order; complete and checked, or all errors at once.

import { readFileSync } from 'node:fs'
import { availableParallelism, homedir, hostname } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { type DatabaseSettings, parseDatabaseSettings } from '../../datamanager/database-config.ts'
import { errorMessage, SlipwayError } from '../../lib/errors.ts'
import type { Json } from '../../lib/json.ts'
import type { ObjectStorageSettings } from '../../objectstorage/open-object-storage.ts'
import { completeNotification, type NotificationFileSettings } from './notification-settings.ts'
import { environmentNameOf, type Problem, pathsOf, readSettingsAs, type SettingsSources } from './said-settings.ts'
import { type ComponentName, componentNames, type SettingsFile, settingsSchema } from './settings-schema.ts'

export type Settings = {
  readonly components: ReadonlySet<ComponentName>
  readonly listen: { readonly host: string; readonly port: number }
  /** Without a slash at its end; undefined is where it listens. */
  readonly url: string | undefined
  /** Without a slash at its end. */
  readonly instanceUrl: string
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
  readonly services: {
    readonly configstore: readonly string[]
    readonly runservice: readonly string[]
    readonly notification: readonly string[]
    readonly gitserver: readonly string[]
  }
  readonly gateway: {
    readonly memberAdding: 'direct' | 'invitation'
    readonly sessionMs: number
    readonly corsOrigins: readonly string[]
  }
  readonly notification: NotificationFileSettings
  readonly executor: {
    readonly driver: 'auto' | 'docker' | 'host'
    readonly tasks: number
    readonly labels: Readonly<Record<string, string>>
    readonly allowPrivileged: boolean
    readonly allowUnsandboxed: boolean
  }
  /** Milliseconds; 0 keeps for ever. */
  readonly retention: {
    readonly logsMs: number
    readonly workspacesMs: number
    readonly cachesMs: number
    readonly directRunsMs: number
  }
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly format: 'text' | 'json' | undefined }
  readonly tracing: { readonly endpoint: string | undefined }
}

const dayMs = 24 * 60 * 60 * 1000
const hourMs = 60 * 60 * 1000

/** Errors: `config_invalid` with every problem: where it was said, and what was expected. */
export function readSettings(sources: SettingsSources): Settings {
  return readSettingsAs<SettingsFile, Settings>(settingsSchema, sources, {
    prefix: 'SLIPWAY',
    complete: (said) => complete(said, sources.environment),
    contradictions,
  })
}

/** True when other processes may work on the same installation. */
export function isShared({ database }: Pick<Settings, 'database'>): boolean {
  return database.log !== 'embedded'
}

/** Every setting that is not a section, as path. */
export function settingPaths(): readonly (readonly string[])[] {
  return pathsOf(settingsSchema)
}

/** `database.etcd.caFile` is SLIPWAY_DATABASE_ETCD_CA_FILE. */
export function environmentName(path: readonly string[]): string {
  return environmentNameOf('SLIPWAY', path)
}

function complete(said: SettingsFile, environment: SettingsSources['environment']): Settings {
  const listen = parseListen(said.listen ?? '127.0.0.1:8080')
  const dataDir = resolve(said.dataDir ?? defaultDataDir(environment))
  const { retention = {}, gateway = {}, executor = {}, keys = {}, services = {} } = said
  return Object.freeze({
    components: componentsOf(said.components ?? ['all']),
    listen,
    url: said.url === undefined ? undefined : parseUrl('url', said.url),
    instanceUrl: said.instanceUrl === undefined ? instanceUrlOf(listen) : parseUrl('instanceUrl', said.instanceUrl),
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
      notification: (services.notification ?? []).map((url) => parseUrl('services.notification', url)),
      gitserver: (services.gitserver ?? []).map((url) => parseUrl('services.gitserver', url)),
    },
    gateway: {
      memberAdding: gateway.memberAdding ?? 'direct',
      sessionMs: (gateway.sessionHours ?? 336) * hourMs,
      corsOrigins: (gateway.corsOrigins ?? []).map((origin) => new URL(parseUrl('gateway.corsOrigins', origin)).origin),
    },
    notification: completeNotification(said.notification),
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
      directRunsMs: (retention.directRuns ?? 30) * dayMs,
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
  const needed = {
    gateway: ['configstore', 'runservice'],
    runservice: ['configstore'],
    notification: ['configstore', 'runservice'],
    gitserver: ['configstore', 'runservice'],
    executor: ['runservice'],
  } as const
  for (const [component, others] of Object.entries(needed)) {
    if (!components.has(component as ComponentName)) continue
    for (const other of others)
      if (!components.has(other) && services[other].length === 0)
        add(`services.${other}`, `the ${component} needs it: say where it is, or run it here (components)`)
  }
  for (const other of ['configstore', 'runservice', 'notification', 'gitserver'] as const)
    if (components.has(other) && services[other].length > 0)
      add(`services.${other}`, `this process runs the ${other} itself: leave it out`)
  const isWhole = componentNames.every(
    (name) => components.has(name) || ['executor', 'notification', 'gitserver'].includes(name),
  )
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

/** What listens on all addresses of the machine is reached by the name of the machine. */
function instanceUrlOf({ host, port }: Settings['listen']): string {
  const name = host === '0.0.0.0' || host === '::' ? hostname() : host.includes(':') ? `[${host}]` : host
  return `http://${name}:${port}`
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
