// Several configstores on one log in memory, as several processes have it; one may crash: from then on nothing of what it does
// reaches the log, nor does it hear an answer.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Database } from '../datamanager/database.ts'
import { openLogDatabase } from '../datamanager/open-log-database.ts'
import { MemoryChangeLog, MemoryLogStore } from '../datamanager/simulation/memory-log.ts'
import { systemClock } from '../lib/clock.ts'
import { SlipwayError } from '../lib/errors.ts'
import { silentLogger } from '../lib/log.ts'
import { newSealingKey } from '../lib/sealing.ts'
import type { Configstore } from './api.ts'
import { type ConfigstoreSchema, configstoreRowTypes } from './row-types.ts'
import type { InstallationKeys } from './secrets/keyring.ts'
import { openConfigstore } from './service.ts'

export type Instance = {
  readonly configstore: Configstore
  readonly database: Database<ConfigstoreSchema>
  /** What is under way may have been written or not; nothing else will. */
  crash(): void
}

export class SharedStore implements AsyncDisposable {
  readonly keys: InstallationKeys = [newSealingKey()]
  readonly #store = new MemoryLogStore()
  readonly #folder = mkdtempSync(join(tmpdir(), 'slipway-configstores-'))
  readonly #closed = new AsyncDisposableStack()
  #instances = 0

  async open(keys: InstallationKeys = this.keys): Promise<Instance> {
    const instanceId = `instance-${++this.#instances}`
    let isDown = false
    const log = new MemoryChangeLog(this.#store, async (_call, { act }) => {
      await new Promise((resolve) => setImmediate(resolve))
      if (isDown) throw new Error('the network is gone')
      const answer = act()
      await new Promise((resolve) => setImmediate(resolve))
      if (isDown) throw new Error('the network is gone')
      return answer
    })
    const database = await openLogDatabase<ConfigstoreSchema>({
      path: join(this.#folder, `${instanceId}.db`),
      types: configstoreRowTypes,
      clock: systemClock,
      instanceId,
      log,
      identity: { store: 'store', generation: 'generation' },
    })
    this.#closed.use(database)
    const configstore = await openConfigstore(
      { installationKeys: keys },
      { database, clock: systemClock, logger: silentLogger },
    )
    this.#closed.use(configstore)
    const crash = () => {
      isDown = true
      database.fail(new SlipwayError('database_closed', 'crashed'))
    }
    return { configstore, database, crash }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#closed.disposeAsync()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
