// Connections to PostgreSQL 13 and later, by the package `pg`, which is loaded with the first of them.

import type { Client, ClientConfig, Pool, PoolClient, QueryResult } from 'pg'
import { errorMessage, SlipwayError } from './errors.ts'

export type PostgresSettings = {
  /** `postgres://user:password@host:port/database?sslmode=…`. */
  readonly url: string
  /** PEM of the authority of the server's certificate; then the certificate is verified. */
  readonly ca?: string
  /** A statement has failed after this time; default 5 s. */
  readonly statementMs?: number
}

type PostgresModule = typeof import('pg')['default']

export type Parameter = string | number | Uint8Array | null

const statementMsDefault = 5000
/** One connection that writes and one that reads. */
const connectionsMax = 2

export class PostgresClient implements AsyncDisposable {
  readonly #pg: PostgresModule
  readonly #pool: Pool
  readonly #config: ClientConfig

  private constructor(pg: PostgresModule, settings: PostgresSettings) {
    const statementMs = settings.statementMs ?? statementMsDefault
    this.#pg = pg
    this.#config = {
      ...connectionOf(settings),
      application_name: 'slipway',
      connectionTimeoutMillis: statementMs,
      // The server ends what takes too long, and this process does not wait much longer for a server that is silent.
      statement_timeout: statementMs,
      query_timeout: statementMs + 500,
      keepAlive: true,
      // A commit that is answered is on the disk, and a statement that waited for a row sees it as it is then, whatever the
      // defaults of the server.
      options: '-c synchronous_commit=on -c default_transaction_isolation=read\\ committed',
    }
    this.#pool = new pg.Pool({ ...this.#config, max: connectionsMax })
    this.#pool.on('error', () => {}) // an idle connection was lost: the next query makes a new one
  }

  /** Loads what it needs; connects with the first query. Errors: `module_missing`, `config_invalid`. */
  static async open(settings: PostgresSettings): Promise<PostgresClient> {
    if (!/^postgres(ql)?:$/.test(URL.parse(settings.url)?.protocol ?? ''))
      throw new SlipwayError('config_invalid', 'the URL of PostgreSQL is not postgres://user@host:port/database')
    let pg: PostgresModule
    try {
      pg = (await import('pg')).default
    } catch (cause) {
      const advice = 'install Slipway with its optional packages'
      throw new SlipwayError('module_missing', `PostgreSQL needs the package pg: ${advice}`, { cause })
    }
    return new PostgresClient(pg, settings)
  }

  /**
   * One statement, a transaction of its own. Errors: see postgresError; after `backend_unavailable` it may have been executed,
   * or may still be. An abort while it runs rejects with the signal's reason and leaves it alone. A statement that is used
   * often is prepared once for each connection under `name`, which no other text has.
   */
  async query<R extends object>(
    text: string,
    parameters: readonly Parameter[],
    signal?: AbortSignal,
    name?: string,
  ): Promise<readonly R[]> {
    signal?.throwIfAborted()
    const running = this.#query<R>(text, parameters, name)
    if (!signal) return running
    const { promise, reject } = Promise.withResolvers<never>()
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    running.catch(() => {}) // told to the caller below, unless that has left
    try {
      return await Promise.race([running, promise])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /**
   * Makes `schema` and what `statements` define in it (`IF NOT EXISTS`), as one transaction. Instances that do it at once do it
   * one after the other: the conditions of PostgreSQL's own definitions race.
   */
  async define(schema: string, statements: readonly string[], signal?: AbortSignal): Promise<void> {
    const all = [
      `SELECT pg_advisory_xact_lock(hashtextextended(${quoteText(schema)}, 0))`,
      `CREATE SCHEMA IF NOT EXISTS ${quoteName(schema)}`,
      ...statements,
    ]
    // Without parameters the server takes them as one transaction.
    await this.query(all.join(';\n'), [], signal)
  }

  async #query<R extends object>(
    text: string,
    parameters: readonly Parameter[],
    name: string | undefined,
  ): Promise<readonly R[]> {
    let connection: PoolClient | undefined
    let failure: Error | undefined
    try {
      connection = await this.#pool.connect()
      connection.on('error', ignore) // told to the query, too
      const result: QueryResult<R & Record<string, unknown>> = await connection.query({
        text,
        values: [...parameters],
        ...(name === undefined ? {} : { name }),
      })
      return result.rows
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error))
      throw postgresError(failure, text)
    } finally {
      connection?.removeListener('error', ignore)
      // A connection on which something went wrong may still be busy: it is not used again.
      connection?.release(failure !== undefined && sqlState(failure) === undefined)
    }
  }

  /**
   * Hears notifications on a connection of its own until `signal` is aborted; rejects when the connection is lost. `onReady` is
   * called when it listens.
   */
  async listen(
    channel: string,
    { onReady, onMessage, signal }: { onReady(): void; onMessage(payload: string): void; signal: AbortSignal },
  ): Promise<void> {
    signal.throwIfAborted()
    const client: Client = new this.#pg.Client(this.#config)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    promise.catch(() => {}) // awaited below
    client.on('error', reject)
    client.on('end', () => reject(new SlipwayError('backend_unavailable', 'PostgreSQL: the connection has ended')))
    client.on('notification', ({ payload }) => onMessage(payload ?? ''))
    const onAbort = () => resolve()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await client.connect()
      await client.query(`LISTEN ${quoteName(channel)}`)
      onReady()
      await promise
    } catch (error) {
      throw postgresError(error, 'LISTEN')
    } finally {
      signal.removeEventListener('abort', onAbort)
      client.end().catch(() => {}) // nobody needs the connection any more
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.end()
  }
}

/** What a URL says about TLS wins over other settings in `pg`, so with an authority of our own it must say nothing. */
function connectionOf({ url, ca }: PostgresSettings): ClientConfig {
  if (ca === undefined) return { connectionString: url }
  const plain = new URL(url)
  for (const name of ['ssl', 'sslmode', 'sslrootcert']) plain.searchParams.delete(name)
  return { connectionString: plain.href, ssl: { ca } }
}

/** A name as it stands in a statement. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A string as it stands in a statement. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** The five letters with which the server names an error (PostgreSQL, appendix A); undefined for trouble on the way. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  return /^[0-9A-Z]{5}$/.test(error.code) && 'severity' in error ? error.code : undefined
}

const ignore = () => {}

/**
 * An error of `pg` as a SlipwayError. `backend_unavailable` is the only one after which a statement may have been executed; all
 * others are refusals.
 */
export function postgresError(error: unknown, attempted: string): SlipwayError {
  if (error instanceof SlipwayError) return error
  const statement = attempted.trim().split(/\s+/, 1)[0]
  const fail = (code: ConstructorParameters<typeof SlipwayError>[0]) =>
    new SlipwayError(code, `${statement}: PostgreSQL: ${errorMessage(error)}`, { cause: error })
  const state = sqlState(error)
  if (state === undefined) return fail('backend_unavailable')
  if (state.startsWith('28') || state === '42501') return fail('backend_auth_failed')
  if (state === '53100') return fail('backend_full')
  // 57: ended by an operator or a timeout; 53, 55, 40: too busy; 08: connection; 58 and XX: I/O and internal trouble.
  if (/^(57|53|55|40|08|58|XX)/.test(state) || state === '25006') return fail('backend_unavailable')
  return fail('backend_failed')
}
