// What a Gitea and a Forgejo sent (recorded/README.md).

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Webhook } from './webhook.ts'

export const recordedProviders = ['gitea', 'forgejo'] as const
export type RecordedProvider = (typeof recordedProviders)[number]

export const recordedSecret = 'the-secret-of-the-recording'

/** `push`, `pull-request-opened` and so on. */
export function recordedNames(provider: RecordedProvider): readonly string[] {
  return readdirSync(folderOf(provider)).map((file) => file.replace(/\.http$/, ''))
}

/** As it was sent, with the names of headers in lower case. */
export function recorded(provider: RecordedProvider, name: string): Webhook {
  const bytes = readFileSync(join(folderOf(provider), `${name}.http`))
  const end = bytes.indexOf('\n\n')
  const lines = bytes.subarray(0, end).toString('latin1').split('\n')
  const headers = lines.map((line): [string, string] => {
    const [header = '', value = ''] = line.split(': ')
    return [header.toLowerCase(), value]
  })
  return { headers: Object.fromEntries(headers), body: bytes.subarray(end + 2) }
}

/** Its body. */
export function recordedPayload(provider: RecordedProvider, name: string): Readonly<Record<string, unknown>> {
  return JSON.parse(recorded(provider, name).body.toString('utf8'))
}

const folderOf = (provider: RecordedProvider) => join(import.meta.dirname, 'recorded', provider)
