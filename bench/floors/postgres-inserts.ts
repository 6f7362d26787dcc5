// One-row inserts into PostgreSQL, each a transaction of its own, over as many connections as asked for: what a writer without
// group commit has at best.

import pg from 'pg'

const insert = 'INSERT INTO floor VALUES ($1, $2)'

export class PostgresInserts implements AsyncDisposable {
  readonly #clients: pg.Client[]
  #inserted = 0
  readonly #inserting: Promise<void>[] = []

  private constructor(clients: pg.Client[]) {
    this.#clients = clients
  }

  static async open(url: string, connections: number): Promise<PostgresInserts> {
    const clients = Array.from({ length: connections }, () => new pg.Client({ connectionString: url }))
    await Promise.all(clients.map((client) => client.connect()))
    await clients[0]?.query('CREATE TABLE IF NOT EXISTS floor (id text PRIMARY KEY, body bytea NOT NULL)')
    return new PostgresInserts(clients)
  }

  /** Inserts each value under an id of its own. */
  async insert(values: readonly Uint8Array[], prefix: string): Promise<void> {
    let next = 0
    const work = async (client: pg.Client) => {
      for (let at = next++; at < values.length; at = next++) await client.query(insert, [`${prefix}${at}`, values[at]])
    }
    await Promise.all(this.#clients.map(work))
  }

  /** Inserts one value, over each connection in turn, once that has done the one before. */
  async insertOne(id: string, value: Uint8Array): Promise<void> {
    const at = this.#inserted++ % this.#clients.length
    const before = this.#inserting[at]
    const inserting = (async () => {
      await before
      await this.#clients[at]?.query(insert, [id, value])
    })()
    this.#inserting[at] = inserting
    await inserting
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.end()))
  }
}
