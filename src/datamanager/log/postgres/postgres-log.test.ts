import { afterAll, beforeAll, expect, test } from 'vitest'
import { startLossyProxy } from '../../../../test/support/lossy-proxy.ts'
import { type Postgres, startPostgres, startStandby } from '../../../../test/support/postgres.ts'
import { systemClock } from '../../../lib/clock.ts'
import { PostgresClient } from '../../../lib/postgres.ts'
import { genesisHash } from '../../change-log.ts'
import { aRecord, changeLogContract } from '../../change-log-contract.ts'
import { serverLogContract } from '../server-log-contract.ts'
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

serverLogContract('PostgreSQL', async () => {
  const schema = `log_${++logs}`
  const stack = new AsyncDisposableStack()
  const client = stack.use(await PostgresClient.open({ url: postgres.url }))
  return {
    port: Number(new URL(postgres.url).port),
    joinAt: async (port) => {
      const url = Object.assign(new URL(postgres.url), { port }).href
      const other = stack.use(await PostgresClient.open({ url, statementMs: 1000 }))
      return stack.use(await PostgresChangeLog.open({ client: other, schema, clock: systemClock }))
    },
    join: async (payloads) =>
      stack.use(
        await PostgresChangeLog.open({ client, schema, clock: systemClock, ...(payloads ? { payloads } : {}) }),
      ),
    storedBytes: async () => {
      const text = `SELECT coalesce(sum(length(bytes)), 0)::int AS sum FROM ${schema}.log`
      return (await client.query<{ sum: number }>(text, []))[0]!.sum
    },
    goBack: async (record) => {
      await client.query(`DELETE FROM ${schema}.log WHERE position > $1`, [record?.position ?? 0])
      const head = [record?.position ?? 0, record?.hash ?? genesisHash]
      await client.query(`UPDATE ${schema}.head SET position = $1, hash = $2`, head)
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
})

test('PostgreSQL: a standby is refused, and one that took over without the last commits stops those that know them', async () => {
  await using primary = await startPostgres()
  const port = (server: Postgres) => Number(new URL(server.url).port)
  await using proxy = await startLossyProxy(port(primary))
  const url = Object.assign(new URL(primary.url), { port: proxy.port }).href
  await using client = await PostgresClient.open({ url })
  await using log = await PostgresChangeLog.open({ client, schema: 'taken_over', clock: systemClock })
  const first = aRecord(1, genesisHash)
  expect(await log.append(first, genesisHash)).toEqual({ kind: 'created' })

  await using standby = await startStandby(primary)
  await using direct = await PostgresClient.open({ url: standby.url })
  const onStandby = PostgresChangeLog.open({ client: direct, schema: 'taken_over', clock: systemClock })
  await expect(onStandby).rejects.toMatchObject({ code: 'backend_unfit' })

  await standby.kill() // stopped it would still get what is on the way
  const second = aRecord(2, first.hash)
  expect(await log.append(second, first.hash)).toEqual({ kind: 'created' })
  await primary.kill()
  await standby.start()
  proxy.recover(port(standby))
  await expect(log.read(0, 5)).rejects.toMatchObject({ code: 'backend_unavailable' }) // it lags, but nothing is lost yet
  standby.promote()
  await expect(log.read(0, 5)).rejects.toMatchObject({ code: 'database_corrupt' })
  const third = aRecord(3, second.hash)
  await expect(log.append(third, second.hash)).rejects.toMatchObject({ code: 'database_corrupt' })
})
