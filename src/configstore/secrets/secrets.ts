// Secrets: named sets of sealed values. Rows say which keys there are; each value is sealed in a row of its own.

import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { type Configstore, deployKeyRef, type SecretData } from '../api.ts'
import { checkName } from '../names.ts'
import { Tree } from '../projects/tree.ts'
import { getHolder, notFound, type PlacedHolder } from '../refs.ts'
import type { Reading, SecretRow, Tx } from '../row-types.ts'
import { changed, checkVersion, given, newStored, type Store } from '../store.ts'
import type { Project, Secret } from '../types.ts'
import { checkRoom, findHeld, guardedHolder, holderIdsUpwards, isHolderThere, listHeld } from './held.ts'

type Operations = Pick<Configstore, 'createSecret' | 'listSecrets' | 'updateSecret' | 'deleteSecret' | 'openSecrets'>

export function secretOperations(store: Store): Operations {
  return {
    createSecret: async ({ parent, name, data, ...guard }, context) => {
      checkName(name, 'a secret')
      checkData(name, data)
      const stored = newStored(store.newId(), store.now())
      return store.write(context, 'createSecret', (tx) => {
        const holder = guardedHolder(new Tree(tx), parent, guard)
        checkFree(tx, holder, name)
        checkRoom(tx, 'secret', holder)
        const secret: SecretRow = { ...stored, name, type: 'internal', parent: holder.parent, keys: [] }
        return view(putData(tx, store, secret, data), holder.path)
      })
    },

    listSecrets: (options, context) =>
      store.read(context, (tx) => ({
        items: listHeld(new Tree(tx), 'secret', options).map(({ row, path }) => view(row, path)),
      })),

    updateSecret: async ({ parent, name, newName, data, ...guard }, context) => {
      if (newName !== undefined) checkName(newName, 'a secret')
      if (data !== undefined) checkData(newName ?? name, data)
      const now = store.now()
      return store.write(context, 'updateSecret', (tx) => {
        const holder = guardedHolder(new Tree(tx), parent, guard)
        const secret = getSecret(tx, holder, name)
        checkVersion(secret, guard, `secret ${name} of ${holder.path}`)
        if (newName !== undefined && newName !== name) checkFree(tx, holder, newName)
        const renamed = changed(secret, given({ name: newName }), now)
        if (data === undefined) {
          tx.put('secret', renamed.id, renamed)
          return view(renamed, holder.path)
        }
        // New values are a new version even under the same keys: runs record which they used.
        const next = { ...renamed, updatedAt: now, version: secret.version + 1 }
        return view(putData(tx, store, next, data), holder.path)
      })
    },

    deleteSecret: ({ parent, name, ...guard }, context) =>
      store.write(context, 'deleteSecret', (tx) => {
        const holder = guardedHolder(new Tree(tx), parent, guard)
        const secret = getSecret(tx, holder, name)
        checkVersion(secret, guard, `secret ${name} of ${holder.path}`)
        tx.delete('secret', secret.id)
        store.keyring.deleteAll(tx, secret.id)
        return {}
      }),

    openSecrets: async ({ refs, project, isFork = false }, context) => {
      if (refs.length > limits.secretsPerTask.value)
        throw new SlipwayError('limit_exceeded', `at most ${limits.secretsPerTask.value} secrets are opened at once`)
      return store.read(context, (tx) => {
        const reader = project === undefined ? undefined : readerOf(tx, project, isFork)
        const found = refs.flatMap((ref) => {
          if (project !== undefined && reader === undefined) return []
          const opened = ref === deployKeyRef ? openDeployKey(tx, store, reader) : open(tx, store, ref, reader)
          return opened === undefined ? [] : [{ ref, ...opened }]
        })
        return {
          values: Object.fromEntries(found.map(({ ref, value }) => [ref, value])),
          versions: Object.fromEntries(found.map(({ ref, version }) => [ref, version])),
          names: Object.fromEntries(found.map(({ ref, name }) => [ref, name])),
        }
      })
    },
  }
}

/** Names one value for `openSecrets`: it stays the same when the secret is renamed or gets another value. */
export function secretRef(secretId: string, key: string): string {
  return `${secretId}/${key}`
}

type Opened = { readonly value: string; readonly version: number; readonly name: string }

/** A project for whose runs secrets are opened. */
type SecretReader = { readonly project: Project; readonly isFork: boolean; readonly holderIds: ReadonlySet<string> }

/** Undefined when there is no such project, or its secrets are not for such runs. */
function readerOf(tx: Reading, projectId: string, isFork: boolean): SecretReader | undefined {
  const tree = new Tree(tx)
  const row = tx.get('project', projectId)
  const project = row && tree.viewProject(row)
  if (project === undefined || (isFork && !project.passVariablesToForks)) return undefined
  return { project, isFork, holderIds: holderIdsUpwards(getHolder(tree, { type: 'project', ref: projectId })) }
}

function open(tx: Reading, { keyring }: Store, ref: string, reader: SecretReader | undefined): Opened | undefined {
  const slash = ref.indexOf('/')
  const key = ref.slice(slash + 1)
  const secret = tx.get('secret', ref.slice(0, slash))
  if (secret === undefined || !isHolderThere(tx, secret.parent)) return undefined
  if (reader !== undefined && !reader.holderIds.has(secret.parent.id)) return undefined
  const value = keyring.find(tx, 'secret', secret.id, key)
  return value === undefined ? undefined : { value, version: secret.version, name: `${secret.name}/${key}` }
}

/** Its variable is there always, and empty where the key is not for tasks. */
function openDeployKey(tx: Reading, { keyring }: Store, reader: SecretReader | undefined): Opened | undefined {
  if (reader === undefined) return undefined
  const { id, version, deployKeyInTasks } = reader.project
  const isGiven = deployKeyInTasks && !reader.isFork
  const value = (isGiven ? keyring.find(tx, 'project', id, 'deployKey') : undefined) ?? ''
  return { value, version, name: 'deploy key' }
}

/** Replaces all values. */
function putData(tx: Tx, { keyring }: Store, secret: SecretRow, data: SecretData): SecretRow {
  const keys = Object.keys(data).sort()
  for (const key of secret.keys) if (!keys.includes(key)) keyring.delete(tx, secret.id, key)
  for (const key of keys) keyring.put(tx, 'secret', secret.id, key, data[key]!) // Its own key.
  const next = { ...secret, keys }
  tx.put('secret', secret.id, next)
  return next
}

function getSecret(tx: Reading, { parent, path }: PlacedHolder, name: string): SecretRow {
  const secret = findHeld(tx, 'secret', parent.id, name)
  if (secret === undefined) throw notFound('secret_not_found', `secret of ${path}`, name)
  return secret
}

function checkFree(tx: Reading, { parent, path }: PlacedHolder, name: string): void {
  if (findHeld(tx, 'secret', parent.id, name) !== undefined)
    throw new SlipwayError('secret_exists', `${path} has a secret ${name}`)
}

function checkData(name: string, data: SecretData): void {
  const entries = Object.entries(data)
  const keysMax = limits.secretKeys.value
  const problem =
    entries.length === 0
      ? 'it has no value'
      : entries.length > keysMax
        ? `it has more than ${keysMax} values`
        : entries.map(([key, value]) => problemOf(key, value)).find((found) => found !== undefined)
  if (problem !== undefined) throw new SlipwayError('secret_invalid', `secret ${name}: ${problem}`)
}

function problemOf(key: string, value: string): string | undefined {
  const keyMax = limits.secretKeyBytes.value
  if (key === '' || Buffer.byteLength(key) > keyMax || /\p{Cc}/u.test(key) || !key.isWellFormed())
    return `a key has 1 to ${keyMax} bytes, none of them a control character`
  if (typeof value !== 'string' || !value.isWellFormed()) return `the value of ${key} is not a text`
  const bytes = Buffer.byteLength(value)
  return bytes > limits.secretBytes.value
    ? `the value of ${key} has ${bytes} bytes, more than ${limits.secretBytes.value}`
    : undefined
}

function view(secret: SecretRow, parentPath: string): Secret {
  return { ...secret, parentPath }
}
