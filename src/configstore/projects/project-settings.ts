// Whether the settings of a project can be right.

import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { parseCloneUrl } from '../../pipeline/clone-url.ts'
import { getAccount } from '../accounts/linked-accounts.ts'
import type { ProjectUpdate } from '../api.ts'
import { isName } from '../names.ts'
import { notFound } from '../refs.ts'
import type { Reading } from '../row-types.ts'
import { picked } from '../store.ts'
import { isText } from '../texts.ts'
import { forkRunPolicies, type ProjectSource } from '../types.ts'
import { checkVisibility } from './visibility.ts'

type Settings = Omit<ProjectUpdate, 'project' | 'name' | 'move' | 'expectedVersion' | 'expectedOwnerId'>

/** What can be said of settings alone. Errors: `visibility_invalid`, `project_invalid`. */
export function checkSettings(settings: Settings): void {
  if (settings.visibility !== undefined) checkVisibility(settings.visibility)
  const problem = problemOf(settings)
  if (problem !== undefined) throw new SlipwayError('project_invalid', `the settings of a project: ${problem}`)
}

function problemOf({ source, forkRuns, cacheGroup = '', ...texts }: Settings): string | undefined {
  if (forkRuns !== undefined && !forkRunPolicies.includes(forkRuns))
    return `forkRuns is one of ${forkRunPolicies.join(', ')}`
  if (cacheGroup !== '' && !isName(cacheGroup)) return `${JSON.stringify(cacheGroup)} is no name for a cache group`
  for (const name of ['defaultBranch', 'remoteHookId', 'remoteDeployKeyId', 'remoteHookUrl', 'sourceTrouble'] as const)
    if (!isText(texts[name] ?? '')) return `${name} is too long`
  return source && sourceProblem(source)
}

function sourceProblem(source: ProjectSource): string | undefined {
  switch (source.kind) {
    case 'none':
      return undefined
    case 'remotesource': {
      const { repositoryId, repositoryPath } = source
      if (repositoryId === '' || repositoryPath === '') return 'the repository needs its id and its path'
      return isText(repositoryId) && isText(repositoryPath) ? undefined : 'the path of the repository is too long'
    }
    case 'git': {
      const { scheme, host } = parseCloneUrl(source.url)
      if (!['http', 'https', 'ssh', 'git'].includes(scheme) || host === '' || !isText(source.url))
        return 'the URL of the repository is one of http, https, ssh or git'
      if (/^[a-z+]+:\/\/[^/?#]*:[^/?#]*@/i.test(source.url))
        return 'the URL of the repository must not hold a password: it is a credential'
      if (!['none', 'sshkey', 'password'].includes(source.auth)) return 'auth is none, sshkey or password'
      if (!isText(source.userName ?? '')) return 'the user name is too long'
      const { pollIntervalMs: interval } = source
      const isInterval = interval === 0 || (Number.isSafeInteger(interval) && interval >= limits.pollIntervalMs.value)
      return isInterval ? undefined : `the poll interval is 0 or at least ${limits.pollIntervalMs.value} ms`
    }
    default:
      return 'the source is one of remotesource, git or none'
  }
}

/** Only what belongs to its kind. */
export function normalSource(source: ProjectSource): ProjectSource {
  switch (source.kind) {
    case 'none':
      return { kind: 'none' }
    case 'remotesource': {
      const { kind, remoteSourceId, linkedAccountId, repositoryId, repositoryPath } = source
      return { kind, remoteSourceId, linkedAccountId, repositoryId, repositoryPath }
    }
    case 'git': {
      const { kind, url, auth, pollIntervalMs } = source
      return { kind, url, ...picked(source, ['remoteSourceId', 'userName']), auth, pollIntervalMs }
    }
  }
}

/** What it names is there and fits. Errors: `remote_source_not_found`, `linked_account_not_found`, `project_invalid`. */
export function checkSource(tx: Reading, source: ProjectSource): void {
  if (source.kind === 'none' || source.remoteSourceId === undefined) return
  const remoteSource = tx.get('remotesource', source.remoteSourceId)
  if (remoteSource === undefined) throw notFound('remote_source_not_found', 'remote source', source.remoteSourceId)
  if ((remoteSource.type === 'git') !== (source.kind === 'git'))
    throw new SlipwayError(
      'project_invalid',
      `remote source ${remoteSource.name} is ${remoteSource.type === 'git' ? 'a plain git host' : 'no plain git host'}`,
    )
  if (source.kind !== 'remotesource') return
  const account = getAccount(tx, source.linkedAccountId)
  if (account.remoteSourceId !== remoteSource.id)
    throw new SlipwayError(
      'project_invalid',
      `the linked account ${account.remoteUserName} is not one at remote source ${remoteSource.name}`,
    )
}
