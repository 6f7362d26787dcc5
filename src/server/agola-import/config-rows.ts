// Users, organizations, the tree of projects, secrets and variables of Agola as rows of the configstore, with the values that it
// seals. What refers to something that is not there has no place in the tree and is dropped; names are kept even where they
// could not be given here.

import { createPublicKey } from 'node:crypto'
import { isName } from '../../configstore/names.ts'
import { memberRowId, type ProjectGroupRow, type ProjectRow, type SealedType } from '../../configstore/row-types.ts'
import {
  type LinkedAccount,
  memberRoles,
  type Organization,
  type RemoteSource,
  remoteSourceAuthTypes,
  remoteSourceTypes,
  type Stored,
  type User,
  type VariableValue,
  visibilities,
} from '../../configstore/types.ts'
import { limits } from '../../lib/limits.ts'
import type { Conditions, When } from '../../pipeline/config/config.ts'
import { AgolaFields } from './agola-fields.ts'
import type { ReportBuilder } from './import-report.ts'
import type { AgolaObject } from './read-agola-export.ts'

export type SealedValue = { readonly type: SealedType; readonly field: string; readonly value: string }
export type ConfigRow = {
  readonly type: string
  readonly id: string
  readonly body: unknown
  readonly sealed?: readonly SealedValue[]
}

export type ConfigObjects = { objects(kind: string): Iterable<AgolaObject> }

export const configKinds = [
  'RemoteSource',
  'User',
  'UserToken',
  'LinkedAccount',
  'Organization',
  'OrganizationMember',
  'ProjectGroup',
  'Project',
  'Secret',
  'Variable',
  'OrgInvitation',
] as const

/** All rows, of each kind after what it refers to. `now`: for objects without times. */
export function* configRows(
  given: ConfigObjects,
  { report, now }: { readonly report: ReportBuilder; readonly now: number },
): Generator<ConfigRow> {
  yield* new ConfigReader(given, report, now).rows()
}

type Fields = {
  readonly fields: AgolaFields
  readonly stored: Stored
  /** Of v0.7, where flags that are absent may be true; the newer format leaves out false. */
  readonly isOlder: boolean
}
type Group = { readonly parentType: string; readonly parentId: string }

const missing = (what: string) => `${what} it belongs to is not in the export`

class ConfigReader {
  readonly #given: ConfigObjects
  readonly #report: ReportBuilder
  readonly #now: number
  readonly #users = new Map<string, string>()
  readonly #organizations = new Map<string, string>()
  readonly #remoteSources = new Set<string>()
  readonly #accounts = new Set<string>()
  /** Of users at remote sources: each has one. */
  readonly #identities = new Set<string>()
  readonly #groups = new Map<string, Group>()
  readonly #projects = new Set<string>()
  /** Names within their parents. */
  readonly #names = new Set<string>()

  constructor(given: ConfigObjects, report: ReportBuilder, now: number) {
    this.#given = given
    this.#report = report
    this.#now = now
  }

  *rows(): Generator<ConfigRow> {
    for (const object of this.#given.objects('RemoteSource')) yield* this.#remoteSource(this.#open(object))
    for (const object of this.#given.objects('User')) yield* this.#user(this.#open(object))
    for (const { id } of this.#given.objects('UserToken')) this.#dropToken(id)
    for (const object of this.#given.objects('LinkedAccount')) {
      const { fields, stored } = this.#open(object)
      yield* this.#account(fields, stored, fields.text('user_id') ?? '')
    }
    for (const object of this.#given.objects('Organization')) yield* this.#organization(this.#open(object))
    for (const object of this.#given.objects('OrganizationMember')) yield* this.#member(this.#open(object))
    for (const object of this.#given.objects('OrgInvitation')) yield* this.#invitation(this.#open(object))
    // Parents may come after their children.
    for (const object of this.#given.objects('ProjectGroup')) this.#rememberGroup(object)
    for (const object of this.#given.objects('ProjectGroup')) yield* this.#group(this.#open(object))
    for (const object of this.#given.objects('Project')) yield* this.#project(this.#open(object))
    for (const object of this.#given.objects('Secret')) yield* this.#secret(this.#open(object))
    for (const object of this.#given.objects('Variable')) yield* this.#variable(this.#open(object))
  }

  #open({ kind, id, value, format }: AgolaObject): Fields {
    const fields = new AgolaFields(value, kind, { id, report: this.#report })
    fields.skip('id', 'version')
    const createdAt = fields.time('creationTime') ?? this.#now
    const stored = { id, createdAt, updatedAt: fields.time('updateTime') ?? createdAt, version: 1 }
    return { fields, stored, isOlder: format === 'v0.7' }
  }

  *#remoteSource({ fields, stored, isOlder }: Fields): Generator<ConfigRow> {
    const { id } = stored
    const type = fields.oneOf('type', remoteSourceTypes)
    const authType = fields.oneOf('auth_type', remoteSourceAuthTypes)
    if (type === undefined || authType === undefined) return this.#drop('RemoteSource', 'its type is not known', id)
    const clientId = fields.text('client_id')
    const clientSecret = fields.text('client_secret') ?? ''
    const sshHostKey = fields.text('ssh_host_key')
    const body: RemoteSource = {
      ...stored,
      name: this.#name(fields, 'remotesource'),
      ...{ type, authType },
      apiUrl: fields.text('apiurl') ?? '',
      skipVerify: fields.flag('skip_verify'),
      ...(clientId === undefined ? {} : { oauth2ClientId: clientId }),
      ...(sshHostKey === undefined ? {} : { sshHostKey }),
      skipSshHostKeyCheck: fields.flag('skip_ssh_host_key_check'),
      registrationEnabled: fields.flag('registration_enabled', isOlder),
      loginEnabled: fields.flag('login_enabled', isOlder),
    }
    fields.end()
    this.#remoteSources.add(id)
    yield this.#sealing({ type: 'remotesource', id, body }, 'remotesource', { oauth2ClientSecret: clientSecret })
  }

  *#user({ fields, stored }: Fields): Generator<ConfigRow> {
    const { id } = stored
    const name = this.#name(fields, 'user')
    fields.leave('nothing uses it', 'secret')
    fields.leave('users without a linked account get a new one', 'password')
    for (const token of Object.keys(fields.map('tokens'))) this.#dropToken(`${id} ${token}`)
    const body: User = { ...stored, name, isAdmin: fields.flag('admin'), hasPassword: false }
    this.#users.set(id, name)
    yield { type: 'user', id, body }
    for (const [accountId, account] of fields.entries('linked_accounts')) {
      account.skip('id')
      yield* this.#account(account, { ...stored, id: accountId }, id)
    }
    fields.end()
  }

  #dropToken(id: string): void {
    this.#drop('UserToken', 'tokens here have another form: its user makes a new one', id)
  }

  *#account(fields: AgolaFields, stored: Stored, userId: string): Generator<ConfigRow> {
    const { id } = stored
    const remoteSourceId = fields.text('remote_source_id') ?? ''
    const remoteUserId = fields.text('remote_user_id') ?? ''
    const avatar = fields.text('remote_user_avatar_url')
    const expiresAt = fields.time('oauth_2_access_token_expires_at')
    const accessToken = fields.text('oauth2_access_token') ?? fields.text('user_access_token') ?? ''
    const refreshToken = fields.text('oauth2_refresh_token') ?? ''
    if (!this.#users.has(userId)) return this.#drop('LinkedAccount', missing('the user'), id)
    if (!this.#remoteSources.has(remoteSourceId)) return this.#drop('LinkedAccount', missing('the remote source'), id)
    const isNew =
      this.#isNew(this.#identities, `identity ${remoteSourceId} ${remoteUserId}`) &&
      this.#isNew(this.#identities, `user ${remoteSourceId} ${userId}`)
    if (!isNew)
      return this.#drop('LinkedAccount', 'a user has one account at a remote source, and an account one user', id)
    const body: LinkedAccount = {
      ...stored,
      ...{ userId, remoteSourceId, remoteUserId },
      remoteUserName: fields.text('remote_username') ?? '',
      ...(avatar === undefined ? {} : { remoteUserAvatarUrl: avatar }),
      ...(expiresAt === undefined ? {} : { accessTokenExpiresAt: expiresAt }),
    }
    fields.end()
    this.#accounts.add(id)
    yield this.#sealing({ type: 'linkedaccount', id, body }, 'linkedaccount', { accessToken, refreshToken })
  }

  *#organization({ fields, stored }: Fields): Generator<ConfigRow> {
    const createdAt = fields.time('created_at') ?? stored.createdAt
    const creator = fields.text('creator_user_id') ?? ''
    const name = this.#name(fields, 'organization')
    if (creator !== '' && !this.#users.has(creator)) fields.drop('creator_user_id', 'that user is not in the export')
    const body: Organization = {
      ...stored,
      createdAt,
      name,
      visibility: fields.oneOf('visibility', visibilities) ?? 'private',
      ...(this.#users.has(creator) ? { creatorUserId: creator } : {}),
    }
    fields.end()
    this.#organizations.set(stored.id, name)
    yield { type: 'organization', id: stored.id, body }
  }

  *#member(fields: Fields): Generator<ConfigRow> {
    yield* this.#membership(fields, { kind: 'OrganizationMember', role: 'member_role', type: 'member' })
  }

  *#invitation(fields: Fields): Generator<ConfigRow> {
    yield* this.#membership(fields, { kind: 'OrgInvitation', role: 'role', type: 'invitation' })
  }

  *#membership(
    { fields, stored }: Fields,
    { kind, role: roleName, type }: { readonly kind: string; readonly role: string; readonly type: string },
  ): Generator<ConfigRow> {
    const organizationId = fields.text('organization_id') ?? ''
    const userId = fields.text('user_id') ?? ''
    const role = fields.oneOf(roleName, memberRoles) ?? 'member'
    fields.end()
    const [organizationName, userName] = [this.#organizations.get(organizationId), this.#users.get(userId)]
    if (organizationName === undefined) return this.#drop(kind, missing('the organization'), stored.id)
    if (userName === undefined) return this.#drop(kind, missing('the user'), stored.id)
    const id = memberRowId(organizationId, userId)
    if (!this.#isNew(this.#names, `${type} ${id}`))
      return this.#drop(kind, 'there is one of this user already', stored.id)
    yield { type, id, body: { ...stored, organizationId, organizationName, userId, userName, role } }
  }

  #rememberGroup({ id, value }: AgolaObject): void {
    const { parent } = (value ?? {}) as { readonly parent?: { readonly type?: unknown; readonly id?: unknown } }
    this.#groups.set(id, { parentType: String(parent?.type), parentId: String(parent?.id) })
  }

  *#group({ fields, stored }: Fields): Generator<ConfigRow> {
    const { id } = stored
    const parent = fields.object('parent')
    const [parentType = '', parentId = ''] = [parent?.text('type'), parent?.text('id')]
    parent?.end()
    if (this.#ownerOf(id) === undefined) return this.#drop('ProjectGroup', missing('the owner or group'), id)
    const type = parentType === 'org' ? 'organization' : parentType === 'user' ? 'user' : 'projectgroup'
    const name = type === 'projectgroup' ? this.#name(fields, `in ${parentId}`) : ''
    fields.skip('name')
    const visibility = fields.oneOf('visibility', visibilities) ?? 'private'
    fields.end()
    const body: ProjectGroupRow = { ...stored, name, parent: { type, id: parentId }, visibility }
    yield { type: 'projectgroup', id, body }
  }

  *#project({ fields, stored }: Fields): Generator<ConfigRow> {
    const { id } = stored
    const parent = fields.object('parent')
    parent?.skip('type')
    const groupId = parent?.text('id') ?? ''
    parent?.end()
    const owner = this.#ownerOf(groupId)
    if (!owner) return this.#drop('Project', missing('the group'), id)
    fields.leave('nothing uses it', 'secret')
    const branch = fields.text('default_branch')
    const deployKey = fields.text('ssh_private_key') ?? ''
    const deployKeyPublic = deployKey === '' ? undefined : publicKeyOf(deployKey)
    if (deployKey !== '' && deployKeyPublic === undefined) fields.drop('ssh_private_key', 'it is no RSA key in PEM')
    const webhookSecret = fields.text('webhook_secret') ?? ''
    const mayMembersRun = fields.flag('members_can_perform_run_actions')
    const body: ProjectRow = {
      ...stored,
      groupId,
      name: this.#name(fields, `in ${groupId}`),
      visibility: fields.oneOf('visibility', visibilities) ?? 'private',
      source: this.#source(fields),
      skipSshHostKeyCheck: fields.flag('skip_ssh_host_key_check'),
      passVariablesToForks: fields.flag('pass_vars_to_forked_pr'),
      forkRuns: 'default',
      cancelSuperseded: false,
      // As Agola does it.
      deployKeyInTasks: true,
      membersCanPerformRunActions: { ownerId: owner.id, value: mayMembersRun && owner.type === 'org' },
      ...(branch === undefined || branch === '' ? {} : { defaultBranch: branch }),
      ...(deployKeyPublic === undefined ? {} : { deployKeyPublic }),
      hasWebhookSecret: webhookSecret !== '',
      hasGitPassword: false,
    }
    fields.end()
    this.#projects.add(id)
    const sealed = { webhookSecret, deployKey: deployKeyPublic === undefined ? '' : deployKey }
    yield this.#sealing({ type: 'project', id, body }, 'project', sealed)
  }

  #source(fields: AgolaFields): ProjectRow['source'] {
    const kind = fields.oneOf('remote_repository_config_type', ['manual', 'remotesource'])
    const [remoteSourceId = '', linkedAccountId = '', repositoryId = '', repositoryPath = ''] = [
      'remote_source_id',
      'linked_account_id',
      'repository_id',
      'repository_path',
    ].map((name) => fields.text(name))
    if (kind !== 'remotesource') return { kind: 'none' }
    // A project shows that its source is broken, and an owner gives it another.
    if (!this.#remoteSources.has(remoteSourceId)) fields.drop('remote_source_id', 'it is not in the export')
    if (!this.#accounts.has(linkedAccountId)) fields.drop('linked_account_id', 'it is not in the export')
    return { kind, remoteSourceId, linkedAccountId, repositoryId, repositoryPath }
  }

  *#secret({ fields, stored }: Fields): Generator<ConfigRow> {
    const { id } = stored
    const parent = this.#holder(fields, 'Secret', id)
    if (!parent) return
    if (fields.oneOf('type', ['internal', 'external']) === 'external')
      return this.#drop('Secret', 'it is kept by another system, which is not known here', id)
    fields.leave('it is only of secrets that another system keeps', 'secret_provider_id', 'path')
    const name = this.#name(fields, `secret in ${parent.id}`)
    const data = fields.map('data')
    fields.end()
    const body = { ...stored, name, type: 'internal', parent, keys: Object.keys(data).sort() }
    yield this.#sealing({ type: 'secret', id, body }, 'secret', data)
  }

  *#variable({ fields, stored }: Fields): Generator<ConfigRow> {
    const { id } = stored
    const parent = this.#holder(fields, 'Variable', id)
    if (!parent) return
    const name = this.#name(fields, `variable in ${parent.id}`)
    const values = fields.objects('values').map((value): VariableValue => {
      const when = value.object('when')
      const read = {
        secretName: value.text('secret_name') ?? '',
        secretVar: value.text('secret_var') ?? '',
        ...(when ? { when: readWhen(when) } : {}),
      }
      value.end()
      return read
    })
    fields.end()
    yield { type: 'variable', id, body: { ...stored, name, parent, values } }
  }

  /** The project or group that a secret or variable hangs on. */
  #holder(fields: AgolaFields, kind: string, id: string) {
    const parent = fields.object('parent')
    const type = parent?.oneOf('type', ['project', 'projectgroup'])
    const parentId = parent?.text('id') ?? ''
    parent?.end()
    const isThere = type === 'project' ? this.#projects.has(parentId) : this.#ownerOf(parentId) !== undefined
    if (type !== undefined && isThere) return { type, id: parentId }
    this.#drop(kind, missing('the project or group'), id)
    return undefined
  }

  /** What stands at the top of a group; undefined when a group on the way up is missing. */
  #ownerOf(groupId: string): { readonly type: 'user' | 'org'; readonly id: string } | undefined {
    let group = this.#groups.get(groupId)
    for (let steps = 0; group && steps <= this.#groups.size; steps++) {
      const { parentType: type, parentId: id } = group
      if (type === 'user') return this.#users.has(id) ? { type, id } : undefined
      if (type === 'org') return this.#organizations.has(id) ? { type, id } : undefined
      group = this.#groups.get(id)
    }
    return undefined
  }

  /** `scope`: where it has to be the only one. Here projects and groups of a group share their names. */
  #name(fields: AgolaFields, scope: string): string {
    const name = fields.text('name') ?? ''
    if (!isName(name)) fields.drop('name', `${JSON.stringify(name)} is no name here: it is kept, and found by its id`)
    let free = name
    for (let number = 2; !this.#isNew(this.#names, `${scope} ${free}`); number++) free = `${name}-${number}`
    if (free !== name) fields.drop('name', `${name} is taken: it is ${free} here`)
    return free
  }

  #isNew(set: Set<string>, key: string): boolean {
    const isNew = !set.has(key)
    set.add(key)
    return isNew
  }

  #sealing(row: ConfigRow, type: SealedType, values: Readonly<Record<string, string>>): ConfigRow {
    const sealed: SealedValue[] = []
    for (const [field, value] of Object.entries(values)) {
      const isTooLarge = Buffer.byteLength(value) > limits.secretBytes.value
      if (isTooLarge) this.#drop(`${type}.${field}`, `it has more than ${limits.secretBytes.value} bytes`, row.id)
      // An empty value of a secret is one; anywhere else it is none.
      else if (value !== '' || type === 'secret') sealed.push({ type, field, value })
    }
    return { ...row, sealed }
  }

  #drop(what: string, why: string, id: string): undefined {
    this.#report.drop(what, why, id)
  }
}

function readWhen(fields: AgolaFields): When {
  const sections = (['branch', 'tag', 'ref'] as const).flatMap((name): readonly (readonly [string, Conditions])[] => {
    const conditions = fields.object(name)
    if (!conditions) return []
    const read = { include: readConditions(conditions, 'include'), exclude: readConditions(conditions, 'exclude') }
    conditions.end()
    return [[name, read]]
  })
  fields.end()
  return Object.fromEntries(sections)
}

function readConditions(fields: AgolaFields, name: string): Conditions['include'] {
  return fields.objects(name).map((condition) => {
    const read = {
      type: condition.oneOf('type', ['simple', 'regexp']) ?? 'simple',
      match: condition.text('match') ?? '',
    }
    condition.end()
    return read
  })
}

/** In OpenSSH's form (RFC 4253, section 6.6); undefined when it is no RSA key. */
function publicKeyOf(privateKey: string): string | undefined {
  try {
    const { kty, n = '', e = '' } = createPublicKey(privateKey).export({ format: 'jwk' })
    if (kty !== 'RSA') return undefined
    const parts = [Buffer.from('ssh-rsa'), positive(e), positive(n)].flatMap((part) => [lengthOf(part), part])
    return `ssh-rsa ${Buffer.concat(parts).toString('base64')}`
  } catch {
    return undefined
  }
}

function positive(base64url: string): Buffer {
  const bytes = Buffer.from(base64url, 'base64url')
  return (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes
}

function lengthOf(part: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(part.length)
  return length
}
