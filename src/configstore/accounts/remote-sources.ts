// Remote sources: the providers that repositories and users come from.

import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Configstore } from '../api.ts'
import { checkName } from '../names.ts'
import { pageOf } from '../paging.ts'
import { getRemoteSource } from '../refs.ts'
import type { Reading, Tx } from '../row-types.ts'
import { changed, checkVersion, given, newStored, picked, type Store, without } from '../store.ts'
import { isText } from '../texts.ts'
import { authTypesOf, type RemoteSource, remoteSourceAuthTypes, remoteSourceTypes } from '../types.ts'

type Operations = Pick<
  Configstore,
  | 'createRemoteSource'
  | 'getRemoteSource'
  | 'listRemoteSources'
  | 'updateRemoteSource'
  | 'deleteRemoteSource'
  | 'remoteSourceCredentials'
>

export function remoteSourceOperations(store: Store): Operations {
  return {
    createRemoteSource: async ({ oauth2ClientSecret = '', ...input }, context) => {
      const now = store.now()
      const isGit = input.type === 'git'
      const source: RemoteSource = {
        ...newStored(store.newId(), now),
        skipVerify: false,
        skipSshHostKeyCheck: false,
        registrationEnabled: !isGit,
        loginEnabled: !isGit,
        ...picked(input, settable),
        name: input.name,
        type: input.type,
        authType: input.authType,
        apiUrl: input.apiUrl,
      }
      checkRemoteSource(source, oauth2ClientSecret !== '')
      return store.write(context, 'createRemoteSource', (tx) => {
        checkFree(tx, source.name)
        return putSource(tx, store, source, oauth2ClientSecret)
      })
    },

    getRemoteSource: ({ remoteSource }, context) => store.read(context, (tx) => getRemoteSource(tx, remoteSource)),

    listRemoteSources: (input = {}, context) =>
      store.read(context, (tx) => pageOf(tx, input, { type: 'remotesource', index: 'byName' }, (source) => source)),

    updateRemoteSource: ({ remoteSource: ref, oauth2ClientSecret, expectedVersion, ...input }, context) => {
      const now = store.now()
      return store.write(context, 'updateRemoteSource', (tx) => {
        const source = getRemoteSource(tx, ref)
        checkVersion(source, given({ expectedVersion }), `remote source ${source.name}`)
        const next = changed(source, picked(input, settable), now)
        const hasSecret = oauth2ClientSecret === undefined || oauth2ClientSecret !== ''
        checkRemoteSource(next, hasSecret)
        if (next.name !== source.name) checkFree(tx, next.name)
        const isOnlySecret = next === source && oauth2ClientSecret !== undefined
        const written = isOnlySecret ? { ...next, updatedAt: now, version: next.version + 1 } : next
        return putSource(tx, store, written, oauth2ClientSecret ?? '')
      })
    },

    deleteRemoteSource: ({ remoteSource: ref, ...guard }, context) =>
      store.write(context, 'deleteRemoteSource', (tx) => {
        const source = getRemoteSource(tx, ref)
        checkVersion(source, guard, `remote source ${source.name}`)
        checkUnused(tx, source)
        tx.delete('remotesource', source.id)
        store.keyring.deleteAll(tx, source.id)
        return {}
      }),

    remoteSourceCredentials: ({ remoteSource: ref }, context) =>
      store.read(context, (tx) => {
        const { id } = getRemoteSource(tx, ref)
        return given({ oauth2ClientSecret: store.keyring.find(tx, 'remotesource', id, 'oauth2ClientSecret') })
      }),
  }
}

const settable = [
  'name',
  'apiUrl',
  'skipVerify',
  'oauth2ClientId',
  'sshHostKey',
  'skipSshHostKeyCheck',
  'registrationEnabled',
  'loginEnabled',
] as const satisfies readonly (keyof RemoteSource)[]

/** Texts that may be removed. */
const optionalTexts = ['oauth2ClientId', 'sshHostKey'] as const

function putSource(tx: Tx, store: Store, source: RemoteSource, secret: string): RemoteSource {
  const removed = optionalTexts.filter((name) => source[name] === '')
  const stored = removed.length === 0 ? source : without(source, removed)
  tx.put('remotesource', source.id, stored)
  if (secret !== '') store.keyring.put(tx, 'remotesource', source.id, 'oauth2ClientSecret', secret)
  return stored
}

function checkFree(tx: Reading, name: string): void {
  if (tx.count('remotesource', { index: 'byName', prefix: [name] }) > 0)
    throw new SlipwayError('remote_source_exists', `there is a remote source ${name}`)
}

function checkRemoteSource(source: RemoteSource, hasSecret: boolean): void {
  checkName(source.name, 'a remote source')
  const problem = problemOf(source, hasSecret)
  if (problem !== undefined) throw new SlipwayError('remote_source_invalid', `remote source ${source.name}: ${problem}`)
}

function problemOf(source: RemoteSource, hasSecret: boolean): string | undefined {
  const { type, authType, apiUrl, oauth2ClientId = '', sshHostKey = '' } = source
  if (!remoteSourceTypes.includes(type)) return `its type is one of ${remoteSourceTypes.join(', ')}`
  if (!remoteSourceAuthTypes.includes(authType) || !authTypesOf[type].includes(authType))
    return `the authentication of ${type} is ${authTypesOf[type].join(' or ')}`
  const schemes = type === 'git' ? ['http:', 'https:', 'ssh:'] : ['http:', 'https:']
  if (!URL.canParse(apiUrl) || !schemes.includes(new URL(apiUrl).protocol))
    return `its URL begins with ${schemes.map((scheme) => `${scheme}//`).join(' or ')}`
  const { username, password } = new URL(apiUrl)
  if (password !== '' || (type !== 'git' && username !== '')) return 'its URL must not hold a user or password'
  if (authType === 'oauth2' && (oauth2ClientId === '' || !hasSecret))
    return 'OAuth2 needs the id and the secret of the client'
  if (type === 'git' && (source.loginEnabled || source.registrationEnabled))
    return 'nobody can log in at a plain git host, nor register'
  for (const [name, text] of Object.entries({ apiUrl, oauth2ClientId, sshHostKey }))
    if (!isText(text)) return `${name} has more than ${limits.configTextBytes.value} bytes, or half a character`
  return undefined
}

function checkUnused(tx: Reading, { id, name }: RemoteSource): void {
  const uses = [
    ['linked accounts', tx.count('linkedaccount', { index: 'byRemoteSource', prefix: [id] })],
    ['projects', tx.count('project', { index: 'byRemoteSource', prefix: [id] })],
    ['tasks that clean up after deleted projects', tx.count('task', { index: 'byRemoteSource', prefix: [id] })],
  ] as const
  const used = uses.filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what}`)
  if (used.length > 0)
    throw new SlipwayError('remote_source_in_use', `remote source ${name} is used: ${used.join(', ')}`)
}
