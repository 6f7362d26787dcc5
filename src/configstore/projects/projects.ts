// Projects and their keys.

import { randomBytes } from 'node:crypto'
import { SlipwayError } from '../../lib/errors.ts'
import type { Configstore, NewProject, ProjectSecrets, ProjectUpdate } from '../api.ts'
import { cleanRemote, removeProject } from '../cascade/cascade.ts'
import { checkName } from '../names.ts'
import { pageOf } from '../paging.ts'
import { getGroup, getProject, type PlacedProject } from '../refs.ts'
import type { ProjectRow, Tx } from '../row-types.ts'
import { changed, checkOwner, checkVersion, given, newStored, picked, type Store, without } from '../store.ts'
import { isText } from '../texts.ts'
import type { Project, ProjectSettings } from '../types.ts'
import { checkNameFree, destinationOf } from './project-groups.ts'
import { checkSettings, checkSource, normalSource } from './project-settings.ts'
import { type Place, Tree } from './tree.ts'

type Operations = Pick<
  Configstore,
  | 'createProject'
  | 'getProject'
  | 'listProjects'
  | 'findProjects'
  | 'updateProject'
  | 'deleteProject'
  | 'projectCredentials'
  | 'setProjectCredentials'
>

export function projectOperations(store: Store): Operations {
  return {
    createProject: async ({ group: ref, name, credentials, expectedOwnerId, ...settings }, context) => {
      checkName(name, 'a project')
      checkSettings(settings)
      const stored = newStored(store.newId(), store.now())
      const webhookSecret = newWebhookSecret()
      return store.write(context, 'createProject', (tx) => {
        const tree = new Tree(tx)
        const place = getGroup(tree, ref, 'parent_group_not_found')
        checkOwner(place.owner, given({ expectedOwnerId }), place.path)
        checkNameFree(tree, place, name)
        checkSource(tx, settings.source)
        const row = newRow(settings, place, { ...stored, name })
        const written = credentials === undefined ? row : putSecrets(tx, store, row, { credentials, webhookSecret })
        tx.put('project', row.id, written)
        return viewed(tx, written)
      })
    },

    getProject: ({ project }, context) =>
      store.read(context, (tx) => {
        const tree = new Tree(tx)
        return tree.viewProject(getProject(tree, project).row)! // It has a place.
      }),

    listProjects: ({ group: ref, ...options }, context) =>
      store.read(context, (tx) => {
        const tree = new Tree(tx)
        const { id } = getGroup(tree, ref).group
        return pageOf(tx, options, { type: 'project', index: 'byParent', prefix: [id] }, (row) => tree.viewProject(row))
      }),

    findProjects: (input, context) =>
      store.read(context, (tx) => {
        const tree = new Tree(tx)
        const listing =
          'linkedAccountId' in input
            ? ({ index: 'byLinkedAccount', prefix: [input.linkedAccountId] } as const)
            : 'remoteSourceId' in input
              ? ({
                  index: 'byRemoteSource',
                  prefix: [input.remoteSourceId, ...(input.repositoryId === undefined ? [] : [input.repositoryId])],
                } as const)
              : ({ index: 'byPolling' } as const)
        return pageOf(tx, input, { type: 'project', ...listing }, (row) => tree.viewProject(row))
      }),

    updateProject: async ({ project: ref, name, move, expectedVersion, expectedOwnerId, ...settings }, context) => {
      if (name !== undefined) checkName(name, 'a project')
      checkSettings(settings)
      const now = store.now()
      return store.write(context, 'updateProject', (tx) => {
        const tree = new Tree(tx)
        const { row, place } = guarded(tree, ref, given({ expectedVersion, expectedOwnerId }))
        const target = move === undefined ? place : destinationOf(tree, place, move)
        if (target.group.id !== row.groupId || (name !== undefined && name !== row.name))
          checkNameFree(tree, target, name ?? row.name)
        const next = changed(
          row,
          { ...patchOf(settings, row, target), ...given({ name }), groupId: target.group.id },
          now,
        )
        if (JSON.stringify(next.source) !== JSON.stringify(row.source)) checkSource(tx, next.source)
        const isElsewhere = repositoryOf(next) !== repositoryOf(row)
        if (isElsewhere && setUpThere.some((name) => row[name] !== undefined)) cleanRemote(tx, row, now)
        // What is given with it is about the new one.
        const before = isElsewhere ? setUpThere.filter((name) => settings[name] === undefined) : []
        const written = without(next, [...emptyTexts(next), ...before])
        tx.put('project', row.id, written)
        return viewed(tx, written)
      })
    },

    deleteProject: ({ project: ref, ...guard }, context) => {
      const now = store.now()
      return store.writeDeletion(context, 'deleteProject', (tx) => {
        removeProject(tx, guarded(new Tree(tx), ref, guard).row, now)
      })
    },

    projectCredentials: ({ project: ref }, context) =>
      store.read(context, (tx) => {
        const { id } = getProject(new Tree(tx), ref).row
        const find = (field: string) => store.keyring.find(tx, 'project', id, field)
        return given({
          deployKey: find('deployKey'),
          webhookSecret: find('webhookSecret'),
          previousWebhookSecret: find('previousWebhookSecret'),
          gitPassword: find('gitPassword'),
        })
      }),

    setProjectCredentials: ({ project: ref, expectedVersion, expectedOwnerId, ...credentials }, context) => {
      const now = store.now()
      const webhookSecret = newWebhookSecret()
      return store.write(context, 'setProjectCredentials', (tx) => {
        const { row } = guarded(new Tree(tx), ref, given({ expectedVersion, expectedOwnerId }))
        const written = putSecrets(tx, store, row, { credentials, webhookSecret })
        const next = written === row ? row : { ...written, updatedAt: now, version: row.version + 1 }
        tx.put('project', row.id, next)
        return viewed(tx, next)
      })
    },
  }
}

const webhookSecretBytes = 32
const newWebhookSecret = () => randomBytes(webhookSecretBytes).toString('hex')

function guarded(
  tree: Tree,
  ref: string,
  guard: { readonly expectedVersion?: number; readonly expectedOwnerId?: string },
): PlacedProject {
  const { row, place } = getProject(tree, ref)
  const what = `project ${place.path}/${row.name}`
  checkVersion(row, guard, what)
  checkOwner(place.owner, guard, what)
  return { row, place }
}

type NewSettings = Omit<NewProject, 'group' | 'name' | 'credentials' | 'expectedOwnerId'>
type SettingsUpdate = Omit<ProjectUpdate, 'project' | 'name' | 'move' | 'expectedVersion' | 'expectedOwnerId'>

function newRow(
  settings: NewSettings,
  place: Place,
  own: Pick<ProjectRow, keyof ReturnType<typeof newStored> | 'name'>,
): ProjectRow {
  const row: ProjectRow = {
    ...own,
    groupId: place.group.id,
    visibility: settings.visibility,
    source: normalSource(settings.source),
    skipSshHostKeyCheck: false,
    passVariablesToForks: false,
    forkRuns: 'default',
    cancelSuperseded: true,
    deployKeyInTasks: false,
    membersCanPerformRunActions: { ownerId: place.owner.id, value: false },
    hasWebhookSecret: false,
    hasGitPassword: false,
  }
  const complete: ProjectRow = { ...row, ...patchOf(settings, row, place) }
  return without(complete, emptyTexts(complete))
}

const settable = [
  'visibility',
  'skipSshHostKeyCheck',
  'passVariablesToForks',
  'forkRuns',
  'cancelSuperseded',
  'deployKeyInTasks',
  'defaultBranch',
  'remoteHookId',
  'remoteDeployKeyId',
  'remoteHookUrl',
  'sourceTrouble',
] as const satisfies readonly (keyof ProjectSettings)[]

/** What is given, in the form of the row: what the owner grants holds only for that owner. */
function patchOf(
  { membersCanPerformRunActions, cacheGroup, ...settings }: SettingsUpdate,
  row: ProjectRow,
  { owner, path }: Place,
): Partial<ProjectRow> {
  if (membersCanPerformRunActions === true && owner.type === 'user')
    throw new SlipwayError(
      'project_invalid',
      `project ${path}/${row.name} belongs to a user: there are no members to perform run actions`,
    )
  return given({
    ...withoutNothing(picked(settings, settable), row),
    source: settings.source && normalSource(settings.source),
    membersCanPerformRunActions:
      membersCanPerformRunActions === undefined ? undefined : { ownerId: owner.id, value: membersCanPerformRunActions },
    cacheGroup: cacheGroup === undefined ? undefined : { ownerId: owner.id, value: cacheGroup },
  }) as Partial<ProjectRow>
}

/** What a project has at the provider of its repository. */
const setUpThere = ['remoteHookId', 'remoteDeployKeyId', 'remoteHookUrl', 'sourceTrouble'] as const

/** Names the repository at its provider, whoever looks at it and however it is called. */
function repositoryOf({ source }: ProjectRow): string {
  return source.kind === 'remotesource' ? `${source.remoteSourceId}/${source.repositoryId}` : ''
}

/** Removing what is not there changes nothing. */
function withoutNothing<T extends object>(patch: T, row: ProjectRow): T {
  const there = row as Readonly<Record<string, unknown>>
  return Object.fromEntries(
    Object.entries(patch).filter(([name, value]) => value !== '' || there[name] !== undefined),
  ) as T
}

/** Texts that were removed by giving the empty one. */
function emptyTexts(row: ProjectRow): readonly (keyof ProjectRow)[] {
  const texts = (['defaultBranch', ...setUpThere] as const).filter((name) => row[name] === '')
  return row.cacheGroup?.value === '' ? [...texts, 'cacheGroup'] : texts
}

/** Seals what is given; the row then says what there is. */
function putSecrets(
  tx: Tx,
  { keyring }: Store,
  row: ProjectRow,
  { credentials, webhookSecret }: { readonly credentials: ProjectSecrets; readonly webhookSecret: string },
): ProjectRow {
  const { id } = row
  let next = row
  if (credentials.deployKey !== undefined) {
    const { privateKey, publicKey } = credentials.deployKey
    if (privateKey === '' || publicKey === '' || !isText(publicKey))
      throw new SlipwayError('project_invalid', `project ${row.name}: a deploy key has two halves`)
    keyring.put(tx, 'project', id, 'deployKey', privateKey)
    next = { ...next, deployKeyPublic: publicKey }
  }
  if (credentials.webhookSecret === 'new') {
    const previous = keyring.find(tx, 'project', id, 'webhookSecret')
    if (previous !== undefined) keyring.put(tx, 'project', id, 'previousWebhookSecret', previous)
    keyring.put(tx, 'project', id, 'webhookSecret', webhookSecret)
    next = { ...next, hasWebhookSecret: true }
  }
  if (credentials.gitPassword !== undefined) {
    if (credentials.gitPassword === '') keyring.delete(tx, id, 'gitPassword')
    else keyring.put(tx, 'project', id, 'gitPassword', credentials.gitPassword)
    next = { ...next, hasGitPassword: credentials.gitPassword !== '' }
  }
  return next
}

function viewed(tx: Tx, row: ProjectRow): Project {
  return new Tree(tx).viewProject(row)! // Its place was found before it was written.
}
