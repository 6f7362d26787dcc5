import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { genesisHash } from './change-log.ts'
import { changeLogContract } from './change-log-contract.ts'
import { EmbeddedChangeLog } from './log/embedded.ts'
import { openReadConnection, openWriteConnection } from './read-model/sqlite.ts'
import { MemoryChangeLog, MemoryLogStore } from './simulation/memory-log.ts'

changeLogContract('embedded', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-log-'))
  const path = join(folder, 'log.db')
  const connection = openWriteConnection(path, { store: 's', generation: 'g' }, genesisHash, genesisHash)
  const readConnection = openReadConnection(path)
  const log = new EmbeddedChangeLog(connection, readConnection)
  return {
    logs: [log, log], // one process has it open, so all writers share the object
    damage: async (position) => {
      const { bytes } = connection.prepare('SELECT bytes FROM log WHERE position = ?').get(position) as {
        bytes: Uint8Array
      }
      bytes[bytes.length - 3]! ^= 1
      connection.prepare('UPDATE log SET bytes = ? WHERE position = ?').run(bytes, position)
    },
    async [Symbol.asyncDispose]() {
      await log[Symbol.asyncDispose]()
      readConnection.close()
      connection.close()
      rmSync(folder, { recursive: true })
    },
  }
})

changeLogContract('in memory', async () => {
  const store = new MemoryLogStore()
  return {
    logs: [new MemoryChangeLog(store), new MemoryChangeLog(store)],
    damage: async (position) => {
      const record = store.records.get(position)!
      const bytes = Uint8Array.from(record.bytes)
      bytes[bytes.length - 3]! ^= 1
      store.records.set(position, { ...record, bytes })
    },
    async [Symbol.asyncDispose]() {},
  }
})
