// The `database` section of an installation's configuration: where the change logs of all its services are and how its
// instances meet. One section, so that logs, coordination and object storage of different installations cannot be mixed by
// accident; what the section names is compared with the store id besides (docs/storage.md, "A log shared by several
// instances").

import { readFileSync } from 'node:fs'
import { BucketCoordination } from '../coordination/bucket.ts'
import type { Coordination } from '../coordination/coordination.ts'
import { EtcdCoordination } from '../coordination/etcd.ts'
import { LocalCoordination } from '../coordination/local.ts'
import { PostgresCoordination } from '../coordination/postgres.ts'
import type { Clock } from '../lib/clock.ts'
import { ConfigSection } from '../lib/config-section.ts'
import { errorMessage, SlipwayError } from '../lib/errors.ts'
import { EtcdClient, type EtcdSettings, prefixEnd } from '../lib/etcd/client.ts'
import type { Json } from '../lib/json.ts'
import { PostgresClient, quoteName } from '../lib/postgres.ts'
import type { ObjectStorage } from '../objectstorage/object-storage.ts'
import { selfTest } from '../objectstorage/self-test.ts'
import type { ChangeLog } from './change-log.ts'
import { BucketChangeLog } from './log/bucket/bucket-log.ts'
import { EtcdChangeLog } from './log/etcd/etcd-log.ts'
import { Payloads } from './log/payloads.ts'
import { PostgresChangeLog } from './log/postgres/postgres-log.ts'
import type { Identity } from './read-model/sqlite.ts'

export type DatabaseSettings =
  | { readonly log: 'embedded' }
  | { readonly log: 'etcd'; readonly etcd: EtcdSection }
  | { readonly log: 'postgres'; readonly postgres: PostgresSection }
  | { readonly log: 'bucket' }

export type EtcdSection = {
  readonly endpoints: readonly string[]
  /** Before all keys; default `slipway`. */
  readonly prefix: string
  readonly user?: string
  readonly passwordFile?: string
  readonly caFile?: string
  readonly certificateFile?: string
  readonly keyFile?: string
}
export type PostgresSection = {
  /** Or the file with it, because it may hold a password. */
  readonly url?: string
  readonly urlFile?: string
  /** Begins the names of all schemas; at most 16 characters of `a-z 0-9 _`; default `slipway`. */
  readonly schema: string
  readonly caFile?: string
}

/** Errors: `config_invalid`, with the member that is wrong. `undefined` is the default, the embedded log. */
export function parseDatabaseSettings(value: Json | undefined): DatabaseSettings {
  const section = new ConfigSection('database', value ?? {})
  const log = section.text('log') ?? 'embedded'
  switch (log) {
    case 'embedded':
    case 'bucket':
      section.end()
      return { log }
    case 'etcd': {
      const etcd = section.section('etcd')
      section.end()
      const settings = {
        endpoints: etcd.texts('endpoints'),
        prefix: etcd.name('prefix', /^[A-Za-z0-9._/-]+$/) ?? 'slipway',
        ...etcd.optional('user', 'passwordFile', 'caFile', 'certificateFile', 'keyFile'),
      }
      etcd.end()
      return { log, etcd: settings }
    }
    case 'postgres': {
      const postgres = section.section('postgres')
      section.end()
      const settings = {
        schema: postgres.name('schema', /^[a-z0-9_]{1,16}$/) ?? 'slipway',
        ...postgres.optional('url', 'urlFile', 'caFile'),
      }
      postgres.end()
      if ((settings.url === undefined) === (settings.urlFile === undefined))
        throw new SlipwayError('config_invalid', 'database.postgres needs one of url and urlFile')
      return { log, postgres: settings }
    }
    default:
      throw new SlipwayError('config_invalid', `database.log is ${log}: it can be embedded, etcd, postgres or bucket`)
  }
}

/** What all services of one process share. */
export interface DatabaseBackend extends AsyncDisposable {
  readonly coordination: Coordination
  /**
   * The log of a service's database, in the generation of `identity`; undefined where the log is in the database's own file
   * (openDatabase). The first call binds the place to the store of `identity`; another one is `database_foreign`.
   */
  openLog(service: string, identity: Identity, signal?: AbortSignal): Promise<ChangeLog | undefined>
  /** Removes the log of a generation that nobody opens any more. Where the log is in object storage this is nothing. */
  dropLog(service: string, generation: string, signal?: AbortSignal): Promise<void>
  /** The id that the place of the logs was bound to under this name; undefined before the first `bind`. */
  findBinding(name: string, signal?: AbortSignal): Promise<string | undefined>
  /** Binds it, or is `database_foreign` when it is bound to another id. Where the log is in object storage this is nothing. */
  bind(name: string, id: string, signal?: AbortSignal): Promise<void>
}

export type DatabaseBackendComponents = {
  /** The installation's; not closed here. */
  readonly storage: ObjectStorage
  /** Of its keys in that storage; without a slash at its end. */
  readonly base: string
  readonly clock: Clock
}

/** Connects. Errors: `config_invalid`, `module_missing`, `backend_unfit`, `object_storage_unsafe`, those of the connection. */
export async function openDatabaseBackend(
  settings: DatabaseSettings,
  components: DatabaseBackendComponents,
  signal?: AbortSignal,
): Promise<DatabaseBackend> {
  switch (settings.log) {
    case 'embedded': {
      const coordination = new LocalCoordination(components.clock)
      return {
        coordination,
        openLog: async () => undefined,
        ...unbound,
        [Symbol.asyncDispose]: () => coordination[Symbol.asyncDispose](),
      }
    }
    case 'etcd':
      return openEtcd(settings.etcd, components)
    case 'postgres':
      return openPostgres(settings.postgres, components, signal)
    case 'bucket':
      return openBucket(components, signal)
  }
}

async function openEtcd(section: EtcdSection, components: DatabaseBackendComponents): Promise<DatabaseBackend> {
  const { storage, base, clock } = components
  await using undo = new AsyncDisposableStack()
  const client = undo.use(await EtcdClient.open(etcdSettings(section), clock))
  const prefix = `${section.prefix.replace(/\/+$/, '')}/`
  const coordination = undo.use(new EtcdCoordination({ client, prefix: `${prefix}coordination/`, clock }))
  const keyOf = (name: string) => `${prefix}${name}/store`
  const findBinding = async (name: string, signal?: AbortSignal) =>
    (await client.range({ key: keyOf(name) }, signal))[0]?.value.toString()
  const bind = async (name: string, id: string, signal?: AbortSignal) => {
    const key = keyOf(name)
    const creating = {
      compare: [{ kind: 'absent', key }],
      success: [{ kind: 'put', key, value: Buffer.from(id) }],
      failure: [{ kind: 'range', key }],
    } as const
    const { succeeded, found } = await client.transact(creating, signal, true)
    if (!succeeded) checkBinding(`${key} in etcd`, found[0]?.[0]?.value.toString(), id)
  }
  const openLog = async (service: string, identity: Identity, signal?: AbortSignal) => {
    await bind(service, identity.store, signal)
    return new EtcdChangeLog({
      client,
      prefix: `${prefix}${service}/${identity.generation}/`,
      clock,
      payloads: payloadsOf(storage, base, service, identity),
    })
  }
  const dropLog = async (service: string, generation: string, signal?: AbortSignal) => {
    const key = `${prefix}${service}/${generation}/`
    const deleting = { kind: 'delete', key, end: prefixEnd(key) } as const
    await client.transact({ compare: [], success: [deleting] }, signal, true)
  }
  return withDispose({ coordination, openLog, dropLog, findBinding, bind }, undo.move())
}

async function openPostgres(
  section: PostgresSection,
  components: DatabaseBackendComponents,
  openSignal?: AbortSignal,
): Promise<DatabaseBackend> {
  const { storage, base, clock } = components
  const ca = readOptional(section.caFile)
  const url = section.url ?? readOptional(section.urlFile) ?? ''
  await using undo = new AsyncDisposableStack()
  const client = undo.use(await PostgresClient.open({ url, ...(ca === undefined ? {} : { ca }) }))
  const coordination = undo.use(await PostgresCoordination.open({ client, schema: section.schema, clock }, openSignal))
  // At most 63 bytes: a generation has 32 without its dashes, a service at most 13.
  const schemaOf = (service: string, generation: string) =>
    `${section.schema}_${service}_${generation.replaceAll('-', '')}`
  const table = `${quoteName(section.schema)}.store`
  const define = (signal: AbortSignal | undefined) =>
    client.define(
      section.schema,
      [`CREATE TABLE IF NOT EXISTS ${table} (service text PRIMARY KEY, store text NOT NULL)`],
      signal,
    )
  const find = async (name: string, signal: AbortSignal | undefined) => {
    const select = `SELECT store FROM ${table} WHERE service = $1`
    return (await client.query<{ store: string }>(select, [name], signal))[0]?.store
  }
  const findBinding = async (name: string, signal?: AbortSignal) => {
    await define(signal)
    return await find(name, signal)
  }
  const bind = async (name: string, id: string, signal?: AbortSignal) => {
    await define(signal)
    await client.query(`INSERT INTO ${table} VALUES ($1, $2) ON CONFLICT DO NOTHING`, [name, id], signal)
    checkBinding(`${table} in PostgreSQL`, await find(name, signal), id)
  }
  const openLog = async (service: string, identity: Identity, signal?: AbortSignal) => {
    await bind(service, identity.store, signal)
    const schema = schemaOf(service, identity.generation)
    const payloads = payloadsOf(storage, base, service, identity)
    return PostgresChangeLog.open({ client, schema, clock, payloads }, signal)
  }
  const dropLog = async (service: string, generation: string, signal?: AbortSignal) => {
    await client.query(`DROP SCHEMA IF EXISTS ${quoteName(schemaOf(service, generation))} CASCADE`, [], signal)
  }
  return withDispose({ coordination, openLog, dropLog, findBinding, bind }, undo.move())
}

async function openBucket(components: DatabaseBackendComponents, openSignal?: AbortSignal): Promise<DatabaseBackend> {
  const { storage, base, clock } = components
  await selfTest(storage, openSignal)
  const coordination = new BucketCoordination({ storage, prefix: `${base}/coordination/`, clock })
  return {
    coordination,
    ...unbound,
    // Log and root are in one storage, so there is nothing to bind: another store has other keys. Not below `log/`: what is
    // there was shipped, and is deleted without a mark.
    openLog: async (service, identity) =>
      new BucketChangeLog({ storage, prefix: `${base}/${service}/${identity.generation}/bucket/`, clock }),
    [Symbol.asyncDispose]: () => coordination[Symbol.asyncDispose](),
  }
}

/** Where log and object storage are one place, or the log is in the database's own file. */
const unbound = { findBinding: async () => undefined, bind: async () => {}, dropLog: async () => {} }

function withDispose(
  backend: Omit<DatabaseBackend, typeof Symbol.asyncDispose>,
  owned: AsyncDisposableStack,
): DatabaseBackend {
  return { ...backend, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function payloadsOf(storage: ObjectStorage, base: string, service: string, { generation }: Identity): Payloads {
  return new Payloads(storage, `${base}/${service}/${generation}/payload/`)
}

function checkBinding(where: string, found: string | undefined, id: string): void {
  if (found === id) return
  throw new SlipwayError(
    'database_foreign',
    `${where} belongs to ${found}, the object storage to ${id}: log and object storage of different installations are configured together`,
  )
}

function etcdSettings(section: EtcdSection): EtcdSettings {
  const tls = {
    ...readInto('ca', section.caFile),
    ...readInto('certificate', section.certificateFile),
    ...readInto('key', section.keyFile),
  }
  return {
    endpoints: section.endpoints,
    tls,
    ...(section.user === undefined ? {} : { user: section.user }),
    ...readInto('password', section.passwordFile),
  }
}

function readInto<N extends string>(name: N, path: string | undefined): { readonly [key in N]?: string } {
  const text = readOptional(path)
  return text === undefined ? {} : ({ [name]: text } as { [key in N]?: string }) // the computed name is N
}

/** The text of a file without the newline at its end. */
function readOptional(path: string | undefined): string | undefined {
  if (path === undefined) return undefined
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '')
  } catch (cause) {
    throw new SlipwayError('config_invalid', `read ${path} of the database section: ${errorMessage(cause)}`, { cause })
  }
}
