// The configstore in this process: every operation is one transaction of the database; nothing polls.

import type { Database } from '../datamanager/database.ts'
import { ReadsAtPosition } from '../datamanager/reads-at-position.ts'
import type { Clock } from '../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import type { Logger } from '../lib/log.ts'
import { newSealingKey } from '../lib/sealing.ts'
import { newUuid } from '../lib/uuid.ts'
import { accessOperations } from './access.ts'
import { accountTokenOperations } from './accounts/account-tokens.ts'
import { linkedAccountOperations, purgeRetired } from './accounts/linked-accounts.ts'
import { Passwords } from './accounts/passwords.ts'
import { remoteSourceOperations } from './accounts/remote-sources.ts'
import { removeExpiredTokens, tokenOperations } from './accounts/tokens.ts'
import { userOperations } from './accounts/users.ts'
import type { Configstore } from './api.ts'
import { continueRemoval } from './cascade/cascade.ts'
import { taskOperations } from './cascade/tasks.ts'
import { memberOperations } from './organizations/members.ts'
import { organizationOperations } from './organizations/organizations.ts'
import { projectGroupOperations } from './projects/project-groups.ts'
import { projectOperations } from './projects/projects.ts'
import type { ConfigstoreSchema } from './row-types.ts'
import { type InstallationKeys, Keyring } from './secrets/keyring.ts'
import { secretOperations } from './secrets/secrets.ts'
import { variableOperations } from './secrets/variables.ts'
import type { Store } from './store.ts'

export type ConfigstoreSettings = {
  /** Of this installation: the newest, then older ones that data keys may still be sealed under. */
  readonly installationKeys: InstallationKeys
}

export type ConfigstoreComponents = {
  /** Not closed here. */
  readonly database: Database<ConfigstoreSchema>
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Opens the store's keyring, which a new store gets, and goes on with deletions that a crash left. Disposing waits for what
 * runs. Errors: `key_wrong` when the store belongs to another installation's key.
 */
export async function openConfigstore(
  settings: ConfigstoreSettings,
  components: ConfigstoreComponents,
): Promise<Configstore> {
  const { database, clock } = components
  const keyring = await Keyring.open(database, settings.installationKeys, clock.now())
  const store = new LocalStore(keyring, components)
  store.goOn()
  return {
    ...userOperations(store),
    ...tokenOperations(store),
    ...linkedAccountOperations(store),
    ...accountTokenOperations(store),
    ...organizationOperations(store),
    ...memberOperations(store),
    ...projectGroupOperations(store),
    ...projectOperations(store),
    ...secretOperations(store),
    ...variableOperations(store),
    ...accessOperations(store),
    ...remoteSourceOperations(store),
    ...taskOperations(store, { database, clock }),
    ...keyOperations(store),
    sweep: (context) => store.sweep(context?.signal),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}

const resealedDefault = 500
/** Callers and what they ask for: some hundred bytes each. */
const sharedAnswersMax = 1000

function keyOperations(store: Store): Pick<Configstore, 'keyStatus' | 'rotateKey' | 'resealValues' | 'retireKey'> {
  const { keyring } = store
  return {
    keyStatus: (context) => store.read(context, (tx) => keyring.status(tx)),
    rotateKey: (context) => {
      const key = newSealingKey()
      const now = store.now()
      return store.write(context, 'rotateKey', (tx) => keyring.rotate(tx, key, now))
    },
    resealValues: async ({ limit = resealedDefault } = {}, context) => {
      if (!Number.isSafeInteger(limit) || limit < 1)
        throw new SlipwayError('list_invalid', 'how many values are sealed anew at once is a number from 1')
      return store.write(context, 'resealValues', (tx) => keyring.reseal(tx, limit))
    },
    retireKey: ({ keyId }, context) =>
      store.write(context, 'retireKey', (tx) => {
        keyring.retire(tx, keyId)
        return {}
      }),
  }
}

/** Operations that change nothing anybody decided. */
const upkeep: ReadonlySet<string> = new Set([
  'noteTokenUse',
  'claimTokenRefresh',
  'claimTasks',
  'renewTask',
  'completeTask',
  'failTask',
  'resealValues',
])

class LocalStore implements Store, AsyncDisposable {
  readonly keyring: Keyring
  readonly passwords = new Passwords()
  readonly #components: ConfigstoreComponents
  readonly #closing = new AbortController()
  readonly #background = new Set<Promise<void>>()
  readonly #shared: ReadsAtPosition<ConfigstoreSchema>
  #removing: Promise<void> | undefined

  constructor(keyring: Keyring, components: ConfigstoreComponents) {
    this.keyring = keyring
    this.#components = components
    this.#shared = new ReadsAtPosition(components.database, { answersMax: sharedAnswersMax })
  }

  get closing(): AbortSignal {
    return this.#closing.signal
  }

  get position(): number {
    return this.#components.database.position
  }

  read: Store['read'] = async (context, look) => {
    const { database } = this.#components
    if (context?.atLeast !== undefined) await database.waitFor(context.atLeast, context.signal)
    return database.view(look)
  }

  readShared: Store['readShared'] = async (context, question, look) => {
    const { database } = this.#components
    if (context?.atLeast !== undefined) await database.waitFor(context.atLeast, context.signal)
    return this.#shared.ask(question, look)
  }

  write: Store['write'] = async (context, name, change) => {
    const { database, logger } = this.#components
    const { signal, transactionId, actor, atLeast } = context ?? {}
    if (atLeast !== undefined) await database.waitFor(atLeast, signal)
    const { result, position } = await database.do(change, {
      ...(signal === undefined ? {} : { signal }),
      ...(transactionId === undefined ? {} : { transactionId }),
    })
    const fields = { operation: name, position, ...(actor === undefined ? {} : { actor }) }
    if (upkeep.has(name)) logger.debug('upkeep of the configuration', fields)
    else logger.info('configuration changed', fields)
    return { ...result, position }
  }

  writeDeletion: Store['writeDeletion'] = async (context, name, change) => {
    const written = await this.write(context, name, (tx) => {
      change(tx)
      return {}
    })
    this.goOn()
    return written
  }

  now(): number {
    return this.#components.clock.now()
  }

  newId(): string {
    return newUuid(this.now())
  }

  /** Goes on with deletions that were too large for their transaction. */
  goOn(): void {
    this.inBackground('go on with a deletion', () => this.#removeAll())
  }

  inBackground(name: string, work: () => Promise<void>): void {
    if (this.closing.aborted) return
    const done: Promise<void> = work()
      .catch((error: unknown) => {
        // In maintenance nothing is written; what is left undone is done later.
        if (!isSlipwayError(error, 'maintenance'))
          this.#components.logger.warn('background work failed', { work: name, error })
      })
      .finally(() => this.#background.delete(done))
    this.#background.add(done)
  }

  async sweep(signal?: AbortSignal): Promise<void> {
    const { database } = this.#components
    await this.#removeAll()
    const before = this.now() - limits.expiredTokenMs.value
    for (let isMore = true; isMore && !this.closing.aborted && signal?.aborted !== true; )
      isMore = (await database.do((tx) => removeExpiredTokens(tx, before))).result
    await database.do((tx) => purgeRetired(tx))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new SlipwayError('database_closed', 'the configstore is being closed'))
    await Promise.all(this.#background)
  }

  /** One at a time; who comes meanwhile waits for one that begins after. */
  async #removeAll(): Promise<void> {
    while (this.#removing !== undefined) await this.#removing
    this.#removing = this.#removeSteps().finally(() => {
      this.#removing = undefined
    })
    await this.#removing
  }

  async #removeSteps(): Promise<void> {
    const { database } = this.#components
    while (!this.closing.aborted) {
      if (database.view((tx) => tx.list('removal', { limit: 1 }).length) === 0) return
      try {
        const { result: isMore } = await database.do((tx) => continueRemoval(tx, this.now()))
        if (!isMore) return
      } catch (error) {
        // Other instances remove as well; what they leave is seen when looking again.
        if (!isSlipwayError(error, 'commit_conflict')) throw error
      }
    }
  }
}
