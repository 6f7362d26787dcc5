// Who hears of the runs of a project: made, changed and removed here, with what is secret of them.

import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import type { NewReceiver, ReceiverInput, ReceiverUpdate } from './api.ts'
import { dropWaiting } from './notifications.ts'
import type { Reading, ReceiverRow, Tx } from './row-types.ts'
import { deleteSecrets, findSecret, putSecret, type Sealing } from './sealed.ts'
import {
  branchChanges,
  type ChangeSettings,
  type Receiver,
  type ReceiverKind,
  type ReceiverSettings,
  runEventNames,
  webhookFormats,
} from './types.ts'

export type ReceiverRules = {
  /** Of the SMTP server; undefined when there is none. Empty: addresses of any domain may get mail. */
  readonly recipientDomains: readonly string[] | undefined
}

const nameCharactersMax = 100
const urlCharactersMax = 2000
const branchCharactersMax = 250
const branchesMost = 50
/** Without quoting, comments and addresses in brackets: nothing in it can end a header or a list. */
const addressPattern =
  /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$/
const addressCharactersMax = 254

/** Members by the kinds that have them. */
const membersOf: Readonly<Record<ReceiverKind, readonly (keyof ReceiverInput)[]>> = {
  webhook: ['url', 'format', 'events'],
  slack: ['url', 'changes', 'branches'],
  email: ['recipients', 'changes', 'branches'],
}
const members = ['url', 'format', 'events', 'changes', 'branches', 'recipients'] as const

/** What of it is stored beside the row. */
export type Prepared = { readonly settings: ReceiverSettings; readonly url?: string }

/** Errors: `receiver_invalid`. */
export function checkNew(input: NewReceiver, rules: ReceiverRules): Prepared {
  checkName(input.name)
  return prepare(input.kind, input, undefined, rules)
}

/** Errors: `receiver_exists`, `limit_exceeded`. */
export function addReceiver(
  tx: Tx,
  sealing: Sealing,
  {
    id,
    now,
    input,
    prepared,
    secret,
  }: {
    readonly id: string
    readonly now: number
    readonly input: NewReceiver
    readonly prepared: Prepared
    /** Of a webhook. */
    readonly secret: string
  },
): Receiver {
  const { projectId, name, isEnabled = true } = input
  const most = limits.receiversPerProject.value
  if (tx.count('receiver', { index: 'byProject', prefix: [projectId] }) >= most)
    throw new SlipwayError('limit_exceeded', `a project has at most ${most} receivers of notifications`)
  checkFree(tx, projectId, name)
  const receiver: ReceiverRow = {
    id,
    createdAt: now,
    updatedAt: now,
    version: 1,
    projectId,
    name,
    isEnabled,
    settings: prepared.settings,
  }
  tx.put('receiver', id, receiver)
  if (input.kind === 'webhook') putSecret(tx, sealing, { receiverId: id, field: 'secret' }, secret)
  if (prepared.url !== undefined) putSecret(tx, sealing, { receiverId: id, field: 'url' }, prepared.url)
  return receiver
}

/** `secret`: the new one, where one was asked for. Errors: `receiver_not_found`, `version_conflict`, `receiver_invalid`, `receiver_exists`. */
export function changeReceiver(
  tx: Tx,
  sealing: Sealing,
  {
    now,
    input,
    secret,
    rules,
  }: {
    readonly now: number
    readonly input: ReceiverUpdate
    readonly secret: string | undefined
    readonly rules: ReceiverRules
  },
): Receiver {
  const { projectId, id, name, isEnabled, expectedVersion } = input
  const { testedAt, ...before } = getReceiverRow(tx, projectId, id)
  checkVersion(before, expectedVersion)
  if (name !== undefined && name !== before.name) {
    checkName(name)
    checkFree(tx, projectId, name)
  }
  const { settings, url } = prepare(before.settings.kind, input, before.settings, rules)
  if (secret !== undefined) {
    if (settings.kind !== 'webhook') throw invalid('only webhooks have a secret')
    const previous = findSecret(tx, sealing, { receiverId: id, field: 'secret', now })
    const until = now + limits.receiverSecretMs.value
    if (previous !== undefined) putSecret(tx, sealing, { receiverId: id, field: 'previoussecret', until }, previous)
    putSecret(tx, sealing, { receiverId: id, field: 'secret' }, secret)
  }
  if (url !== undefined) putSecret(tx, sealing, { receiverId: id, field: 'url' }, url)
  const receiver: ReceiverRow = {
    ...before,
    name: name ?? before.name,
    isEnabled: isEnabled ?? before.isEnabled,
    settings,
    updatedAt: now,
    version: before.version + 1,
    ...(testedAt === undefined ? {} : { testedAt }),
  }
  tx.put('receiver', id, receiver)
  if (before.isEnabled && !receiver.isEnabled) dropWaiting(tx, id, { message: 'its receiver was turned off', now })
  return withoutTest(receiver)
}

/** With its secrets, and what waits for it. Errors: `receiver_not_found`, `version_conflict`. */
export function removeReceiver(
  tx: Tx,
  {
    projectId,
    id,
    expectedVersion,
    now,
  }: {
    readonly projectId: string
    readonly id: string
    readonly expectedVersion?: number | undefined
    readonly now: number
  },
): void {
  checkVersion(getReceiverRow(tx, projectId, id), expectedVersion)
  dropWaiting(tx, id, { message: 'its receiver was removed', now })
  deleteSecrets(tx, id)
  tx.delete('receiver', id)
}

/** Notes a test. Errors: `receiver_not_found`, `rate_limited`. */
export function noteTest(tx: Tx, projectId: string, id: string, now: number): ReceiverRow {
  const row = getReceiverRow(tx, projectId, id)
  if (row.testedAt !== undefined && Math.abs(now - row.testedAt) < limits.receiverTestMs.value)
    throw new SlipwayError('rate_limited', 'a test was sent a moment ago: wait a little')
  tx.put('receiver', id, { ...row, testedAt: now })
  return row
}

/** Errors: `receiver_not_found`. */
export function getReceiverRow(tx: Reading, projectId: string, id: string): ReceiverRow {
  const row = tx.get('receiver', id)
  if (row === undefined || row.projectId !== projectId)
    throw new SlipwayError('receiver_not_found', `the project has no receiver ${id}`)
  return row
}

export function receiversOf(tx: Reading, projectId: string): readonly ReceiverRow[] {
  return tx.list('receiver', { index: 'byProject', prefix: [projectId] }).map(({ body }) => body)
}

export function withoutTest({ testedAt: _, ...receiver }: ReceiverRow): Receiver {
  return receiver
}

function checkVersion({ name, version }: Receiver, expected: number | undefined): void {
  if (expected === undefined || expected === version) return
  const message = `receiver ${name} has version ${version}, not ${expected}`
  throw new SlipwayError('version_conflict', message, { currentVersion: version })
}

function checkName(name: string): void {
  if (name.trim() === '' || name.length > nameCharactersMax || hasControl(name))
    throw invalid(`a name has 1 to ${nameCharactersMax} characters, none of them a control character`)
}

function checkFree(tx: Reading, projectId: string, name: string): void {
  if (tx.count('receiver', { index: 'byProject', prefix: [projectId, name] }) > 0)
    throw new SlipwayError('receiver_exists', `the project has a receiver ${name}`)
}

function prepare(
  kind: ReceiverKind,
  input: ReceiverInput,
  before: ReceiverSettings | undefined,
  rules: ReceiverRules,
): Prepared {
  for (const member of members)
    if (input[member] !== undefined && !membersOf[kind].includes(member))
      throw invalid(`a receiver of kind ${kind} has no ${member}`)
  const url = input.url === undefined ? undefined : parseUrl(input.url)
  switch (kind) {
    case 'webhook': {
      const known = before?.kind === 'webhook' ? before : undefined
      const { format = known?.format ?? 'slipway', events = known?.events ?? runEventNames } = input
      if (!webhookFormats.includes(format)) throw invalid(`a format is one of ${webhookFormats.join(', ')}`)
      return {
        settings: {
          kind,
          url: url?.href ?? known?.url ?? missing('url'),
          format,
          events: chosen('events', events, runEventNames),
        },
      }
    }
    case 'slack': {
      const known = before?.kind === 'slack' ? before : undefined
      return {
        settings: { kind, origin: url?.origin ?? known?.origin ?? missing('url'), ...changesOf(input, known) },
        ...(url === undefined ? {} : { url: url.href }),
      }
    }
    case 'email': {
      const known = before?.kind === 'email' ? before : undefined
      const recipients = input.recipients === undefined ? known?.recipients : checkRecipients(input.recipients, rules)
      return { settings: { kind, recipients: recipients ?? missing('recipients'), ...changesOf(input, known) } }
    }
  }
}

function changesOf(input: ReceiverInput, before: ChangeSettings | undefined): ChangeSettings {
  const { changes = before?.changes ?? ['broken', 'fixed'], branches = before?.branches ?? [] } = input
  const isName = (name: string) => name !== '' && name.length <= branchCharactersMax && !hasControl(name)
  if (branches.length > branchesMost || !branches.every(isName))
    throw invalid(`branches are at most ${branchesMost} names of 1 to ${branchCharactersMax} characters`)
  return { changes: chosen('changes', changes, branchChanges), branches: [...new Set(branches)] }
}

/** In the order of `all`. */
function chosen<T extends string>(what: string, given: readonly T[], all: readonly T[]): readonly T[] {
  if (given.length === 0 || !given.every((one) => all.includes(one)))
    throw invalid(`${what} are one or more of ${all.join(', ')}`)
  return all.filter((one) => given.includes(one))
}

function checkRecipients(recipients: readonly string[], { recipientDomains }: ReceiverRules): readonly string[] {
  if (recipientDomains === undefined)
    throw invalid('this installation sends no mail: an administrator sets notification.smtp')
  const most = limits.receiverRecipients.value
  if (recipients.length === 0 || recipients.length > most) throw invalid(`recipients are 1 to ${most} addresses`)
  for (const address of recipients) {
    if (address.length > addressCharactersMax || !addressPattern.test(address) || address.includes('..'))
      throw invalid(`${JSON.stringify(address.slice(0, addressCharactersMax))} is no address like ann@example.org`)
    const domain = address.slice(address.lastIndexOf('@') + 1).toLowerCase()
    if (recipientDomains.length > 0 && !recipientDomains.includes(domain))
      throw invalid(`this installation sends mail to ${recipientDomains.join(', ')} only, not to ${domain}`)
  }
  return [...new Set(recipients)]
}

function parseUrl(text: string): URL {
  const url = text.length <= urlCharactersMax && URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol) || url.hostname === '')
    throw invalid(`a url is https:// or http:// with a host, of at most ${urlCharactersMax} characters`)
  if (url.username !== '' || url.password !== '') throw invalid('a url has no user and password in it')
  url.hash = ''
  return url
}

function missing(member: string): never {
  throw invalid(`${member} is missing`)
}

const hasControl = (text: string) => /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text)
const invalid = (message: string) => new SlipwayError('receiver_invalid', message)
