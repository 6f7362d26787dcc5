import { afterAll, beforeAll } from 'vitest'
import { type Postgres, startPostgres } from '../../../../test/support/postgres.ts'
import { systemClock } from '../../../lib/clock.ts'
import { PostgresClient } from '../../../lib/postgres.ts'
import { changeLogContract } from '../../change-log-contract.ts'
import { PostgresChangeLog } from './postgres-log.ts'

let postgres: Postgres
let logs = 0

beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres[Symbol.asyncDispose]())

/** Two writers with connections of their own. */
async function openTwo(schema = `log "${++logs}"`) {
  const stack = new AsyncDisposableStack()
  const open = async () => {
    const client = stack.use(await PostgresClient.open({ url: postgres.url }))
    return stack.use(await PostgresChangeLog.open({ client, schema, clock: systemClock }))
  }
  const client = stack.use(await PostgresClient.open({ url: postgres.url }))
  return {
    logs: await Promise.all([open(), open()]),
    damage: async (position: number) => {
      const table = `"${schema.replaceAll('"', '""')}".log`
      const [row] = await client.query<{ bytes: Buffer }>(`SELECT bytes FROM ${table} WHERE position = $1`, [position])
      row!.bytes[row!.bytes.length - 3]! ^= 1
      await client.query(`UPDATE ${table} SET bytes = $2 WHERE position = $1`, [position, row!.bytes])
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

changeLogContract('PostgreSQL', openTwo)
