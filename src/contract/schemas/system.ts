// The installation itself.

import { Type } from 'typebox'
import { Id, Name, object, stored, Time, text } from './common.ts'

export const RemoteSourceType = Type.Enum(['github', 'gitlab', 'gitea', 'forgejo', 'git'])
export const RemoteSourceAuthType = Type.Enum(['oauth2', 'password', 'none'])

/** What everybody may know. */
export const RemoteSource = object(
  {
    id: Id,
    name: Name,
    type: RemoteSourceType,
    authType: RemoteSourceAuthType,
    loginEnabled: Type.Boolean(),
    registrationEnabled: Type.Boolean(),
  },
  'RemoteSource',
)

const apiUrl = Type.String({ minLength: 1, maxLength: 2000 })
const details = {
  apiUrl,
  skipVerify: Type.Boolean(),
  oauth2ClientId: text(500),
  oauth2ClientSecret: text(2000),
  sshHostKey: text(10_000),
  skipSshHostKeyCheck: Type.Boolean(),
  loginEnabled: Type.Boolean(),
  registrationEnabled: Type.Boolean(),
}

/** For administrators; the client secret never leaves. */
export const RemoteSourceDetail = object(
  {
    ...stored,
    name: Name,
    type: RemoteSourceType,
    authType: RemoteSourceAuthType,
    apiUrl: Type.String(),
    skipVerify: Type.Boolean(),
    oauth2ClientId: Type.Optional(Type.String()),
    sshHostKey: Type.Optional(Type.String()),
    skipSshHostKeyCheck: Type.Boolean(),
    loginEnabled: Type.Boolean(),
    registrationEnabled: Type.Boolean(),
  },
  'RemoteSourceDetail',
)

const optionalDetails = {
  skipVerify: Type.Optional(details.skipVerify),
  oauth2ClientId: Type.Optional(details.oauth2ClientId),
  oauth2ClientSecret: Type.Optional(details.oauth2ClientSecret),
  sshHostKey: Type.Optional(details.sshHostKey),
  skipSshHostKeyCheck: Type.Optional(details.skipSshHostKeyCheck),
  loginEnabled: Type.Optional(details.loginEnabled),
  registrationEnabled: Type.Optional(details.registrationEnabled),
}

export const NewRemoteSource = object({
  name: Name,
  apiUrl,
  type: RemoteSourceType,
  authType: RemoteSourceAuthType,
  ...optionalDetails,
})

export const RemoteSourceChange = object({
  name: Type.Optional(Name),
  apiUrl: Type.Optional(apiUrl),
  ...optionalDetails,
})

export const Maintenance = object(
  {
    isActive: Type.Boolean(),
    isEverywhere: Type.Boolean({ description: 'All instances that are there have entered it.' }),
    by: Type.Optional(Type.String()),
    why: Type.Optional(Type.String()),
    since: Type.Optional(Time),
    databases: Type.Array(
      object({ service: Type.String(), position: Type.Integer({ minimum: 0 }), isActive: Type.Boolean() }),
    ),
    instances: Type.Array(
      object({
        id: Type.String(),
        version: Type.String(),
        hasEntered: Type.Boolean({ description: 'It serves nothing but maintenance, export and import.' }),
        isPresent: Type.Boolean(),
        seenAt: Time,
        positions: Type.Record(Type.String(), Type.Integer(), { description: 'By service.' }),
      }),
    ),
  },
  'Maintenance',
)

const Positions = object({
  service: Type.String(),
  position: Type.Integer({ minimum: 0 }),
  behind: Type.Integer({ minimum: 0, description: 'Records that others have and it has not yet.' }),
})

export const DatabaseStatus = object(
  {
    log: Type.String({ description: 'Where the log of the databases is: `embedded`, `etcd`, `postgres`, `bucket`.' }),
    databases: Type.Array(
      object({
        service: Type.String(),
        generation: Type.String(),
        position: Type.Integer({ minimum: 0, description: 'The newest record that this instance has.' }),
        shipped: Type.Optional(Type.Integer({ description: 'The newest record in object storage.' })),
        snapshotCount: Type.Integer({ minimum: 0 }),
        snapshotPosition: Type.Optional(Type.Integer({ description: 'Of the newest snapshot.' })),
        snapshotAt: Type.Optional(Time),
        waiting: Type.Array(
          object({
            kind: Type.String({ description: '`delete_runs`, `clean_remote`, `delivery`, `notification`.' }),
            count: Type.Integer({ minimum: 1, description: 'That have waited for longer than a minute.' }),
            oldestAt: Time,
            lastError: Type.Optional(Type.String({ description: 'Of the oldest.' })),
          }),
        ),
      }),
    ),
    instances: Type.Array(
      object({
        id: Type.String(),
        version: Type.String(),
        isPresent: Type.Boolean(),
        seenAt: Time,
        databases: Type.Array(Positions),
      }),
    ),
  },
  'DatabaseStatus',
)

export const VersionInfo = object({ version: Type.String(), api: Type.Literal('v1') }, 'VersionInfo')
