// What docs/notifications.md shows is so: the sample that verifies, the body, the settings, the waits.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { until } from '../lib/until-fixture.ts'
import { HttpReceiver, openNotificationWorld } from './notification-fixture.ts'
import type { Message } from './run-message.ts'
import { runEventNames } from './types.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/notifications.md'), 'utf8')

function block(name: string): string {
  const [, text] = new RegExp(`\`\`\`\\w+ ${name}\\n([^]*?)\n\`\`\``).exec(page) ?? []
  if (text === undefined) throw new Error(`there is no block ${name}`)
  return text
}

type Verify = (
  headers: Readonly<Record<string, string | string[] | undefined>>,
  body: string,
  secret: string,
  now?: number,
) => boolean

async function sample(): Promise<Verify> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-sample-'))
  const file = join(folder, 'verify.mjs')
  writeFileSync(file, block('verify-webhook'))
  try {
    return ((await import(pathToFileURL(file).href)) as { isFromSlipway: Verify }).isFromSlipway
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('the sample takes what Slipway sends, with either secret, and nothing else', async () => {
  const isFromSlipway = await sample()
  await using http = await HttpReceiver.open()
  await using world = await openNotificationWorld()
  const made = await world.receiver({ kind: 'webhook', url: http.url })
  const of = { projectId: 'p1', id: made.receiver.id }
  const changed = await world.notification.updateReceiver({ ...of, newSecret: true })
  await world.notification.sendTest(of)
  await until(() => http.received.length === 1)
  const { headers, body } = http.received[0]!
  for (const secret of [made.secret!, changed.secret!]) expect(isFromSlipway(headers, body, secret)).toBe(true)
  expect(isFromSlipway(headers, body, 'another')).toBe(false)
  expect(isFromSlipway(headers, `${body} `, made.secret!)).toBe(false)
  expect(isFromSlipway(headers, body, made.secret!, Date.now() + 6 * 60_000)).toBe(false)
  expect(isFromSlipway({ ...headers, 'slipway-timestamp': '1' }, body, made.secret!, 1000)).toBe(false)
  expect(isFromSlipway({}, body, made.secret!)).toBe(false)
})

/** The names of all members, those of items of lists included. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])]
  if (typeof value !== 'object' || value === null) return ''
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shapeOf(inner)]))
}

test('the body on the page has the members of a real one, in their order', async () => {
  await using http = await HttpReceiver.open()
  await using world = await openNotificationWorld()
  await world.receiver({ kind: 'webhook', url: http.url, events: ['run.failed'] })
  world.runs.register()
  world.runs.end(world.runs.add(), 'failed', { test: 'failed' })
  await until(() => http.received.length === 1)
  const real = JSON.parse(http.received[0]!.body) as Message
  const shown = JSON.parse(block('webhook-body')) as Message
  expect(JSON.stringify(shapeOf(shown))).toBe(JSON.stringify(shapeOf(real)))
})

test('the page tells every event and header', async () => {
  await using http = await HttpReceiver.open()
  await using world = await openNotificationWorld()
  const { receiver } = await world.receiver({ kind: 'webhook', url: http.url })
  await world.notification.sendTest({ projectId: 'p1', id: receiver.id })
  await until(() => http.received.length === 1)
  const told = page.toLowerCase()
  for (const name of Object.keys(http.received[0]!.headers).filter((header) => header.startsWith('slipway-')))
    expect(told).toContain(`\`${name}\``)
  for (const name of runEventNames) expect(page).toContain(`\`${name}\``)
})
