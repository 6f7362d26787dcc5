// Decodes values, environments, credentials, durations and quantities.

import { parseGoDuration } from '../languages/duration/duration.ts'
import { credentialsOf, registryAuthKeys } from '../languages/image-name/image-name.ts'
import { parseQuantity } from '../languages/quantity/quantity.ts'
import { printGoValue } from '../languages/yaml11/plain-string.ts'
import type { ConfigEnvironment, ConfigValue, Credential, Credentials } from './config.ts'
import {
  type Decoding,
  fieldsOf,
  readEntries,
  readText,
  reportDoubt,
  reportError,
  reportWarning,
  reportWrongType,
  type Spot,
} from './decoding.ts'

export function decodeValue(decoding: Decoding, spot: Spot | undefined): ConfigValue {
  if (spot === undefined) return ''
  const { node, path } = spot
  if (node.kind === 'string') return node.value
  const expected = 'a string (numbers and booleans in quotes) or {from_variable: NAME}'
  if (node.kind !== 'mapping') {
    reportError(decoding, spot, `unknown value format: ${printGoValue(node)}`, expected)
    return ''
  }
  const entry = node.entries.find(({ key }) => key === 'from_variable')
  if (entry === undefined) {
    reportDoubt(decoding, spot, 'this is the empty string: a map without from_variable', expected)
    return ''
  }
  fieldsOf(decoding, { node, path }, 'value')
  if (entry.value.kind === 'string') return { fromVariable: entry.value.value }
  reportError(
    decoding,
    { node: entry.value, path: [...path, 'from_variable'] },
    `unknown value format: ${printGoValue(entry.value)}`,
    'the name of a variable (in quotes)',
  )
  return ''
}

export function decodeEnvironment(decoding: Decoding, spot: Spot | undefined): ConfigEnvironment {
  const entries = readEntries(decoding, spot, 'a map of names to values')
  for (const { key, spot: value } of entries)
    if (key === '' || /[=\0]/.test(key))
      reportDoubt(decoding, value, `${JSON.stringify(key)} cannot be the name of an environment variable`)
  return Object.fromEntries(entries.map(({ key, spot: value }) => [key, decodeValue(decoding, value)]))
}

/** `owner` begins the messages, for example `run "ci", `. */
export function decodeCredentials(decoding: Decoding, spot: Spot | undefined, owner: string): Credentials {
  return Object.fromEntries(
    readEntries(decoding, spot, 'a map of registry names to credentials').flatMap(({ key, spot: entry }) => {
      checkRegistry(decoding, entry, key)
      const credential = decodeCredential(decoding, entry, `${owner}docker registries auth "${key}" is empty`)
      return credential === undefined ? [] : [[key, credential]]
    }),
  )
}

/** Credentials under a name that is never looked for have no effect. */
function checkRegistry(decoding: Decoding, spot: Spot, name: string): void {
  const host = name.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/)?$/, '')
  if (host === 'docker.io') reportDoubt(decoding, spot, '"docker.io" is not a registry name', '"index.docker.io"')
  else if (!registryAuthKeys(host).includes(name) || host.includes('/') || !/[.:]/.test(host))
    reportDoubt(decoding, spot, `${JSON.stringify(name)} is not a registry name`, 'a host, with a port if needed')
}

function decodeCredential(decoding: Decoding, spot: Spot, emptyMessage: string): Credential | undefined {
  const { node, path } = spot
  if (node.kind === 'null') return reportError(decoding, spot, emptyMessage, 'username and password')
  if (node.kind !== 'mapping') return reportWrongType(decoding, spot, 'a map of username and password')
  const fields = fieldsOf(decoding, { node, path }, 'credential')
  const typeSpot = fields.get('type')
  const type = readText(decoding, typeSpot) ?? ''
  // A null is no value, while leaving the key out is.
  const username = decodeValue(decoding, fields.getWritten('username'))
  const password = decodeValue(decoding, fields.getWritten('password'))
  const auth = decodeValue(decoding, fields.getWritten('auth'))
  if (type === '' || type === 'basic') {
    if (auth !== '') reportWarning(decoding, spot, 'auth has no effect without "type: encodedauth"')
    return { type: 'basic', username, password }
  }
  if (type === 'encodedauth') {
    checkEncodedAuth(decoding, fields.get('auth'), auth)
    return { type: 'encodedauth', auth }
  }
  return reportError(decoding, typeSpot ?? spot, `unsupported auth type "${type}"`, 'basic or encodedauth')
}

function checkEncodedAuth(decoding: Decoding, spot: Spot | undefined, auth: ConfigValue): void {
  if (spot === undefined || typeof auth !== 'string') return
  if (!credentialsOf({ type: 'encodedauth', auth }).ok)
    reportDoubt(decoding, spot, 'this cannot be used to log in', 'base64 of "user:password"')
}

/** Milliseconds, rounded up. */
export function decodeTimeout(decoding: Decoding, spot: Spot | undefined): number | undefined {
  if (spot === undefined) return undefined
  const nanoseconds = readNanoseconds(decoding, spot)
  if (nanoseconds === undefined) return undefined
  if (nanoseconds < 0n) {
    reportDoubt(decoding, spot, 'a negative timeout ends the task at once', 'a positive duration, or 0 for none')
    return 1
  }
  const isBareNumber = spot.node.kind !== 'string'
  if (isBareNumber && nanoseconds > 0n && nanoseconds < 1_000_000_000n)
    reportDoubt(
      decoding,
      spot,
      `a number without a unit is nanoseconds: this is ${nanoseconds} ns`,
      'a unit, as in 30m',
    )
  return Number((nanoseconds + 999_999n) / 1_000_000n)
}

const int64Max = 2n ** 63n - 1n

function readNanoseconds(decoding: Decoding, spot: Spot): bigint | undefined {
  const { node } = spot
  const expected = 'a duration such as 1h30m, 90s or 500ms'
  switch (node.kind) {
    case 'string': {
      const duration = parseGoDuration(node.value)
      if (duration.ok) return duration.value
      return reportError(decoding, spot, `failed to unmarshal duration: ${duration.message}`, expected)
    }
    case 'int':
    case 'float': {
      const value = Number.isFinite(Number(node.value)) ? BigInt(Math.trunc(Number(node.value))) : int64Max + 1n
      if (value <= int64Max && value >= -int64Max) return value
      return reportError(decoding, spot, `invalid duration: ${printGoValue(node)}`, expected)
    }
    default:
      return reportError(decoding, spot, `invalid duration: ${printGoValue(node)}`, expected)
  }
}

/** Bytes; 0 when it is left out. */
export function decodeSize(decoding: Decoding, spot: Spot | undefined): number {
  if (spot === undefined) return 0
  const { node } = spot
  const expected = 'a number of bytes, or one with a unit such as 512Mi or 2G'
  if (node.kind !== 'string' && node.kind !== 'int' && node.kind !== 'float')
    return reportWrongType(decoding, spot, expected) ?? 0
  const size = parseQuantity(node.kind === 'string' ? node.value : Number(node.value))
  if (!size.ok) return reportError(decoding, spot, size.message, expected) ?? 0
  if (size.value < 0) return reportError(decoding, spot, 'a negative size', expected) ?? 0
  if (node.kind === 'string' && /\d[mun]$/.test(node.value))
    reportWarning(
      decoding,
      spot,
      `"${node.value.at(-1)}" is a fraction of a byte: this is ${size.value} ${size.value === 1 ? 'byte' : 'bytes'}`,
      'a unit such as M or Mi',
    )
  return size.value
}
