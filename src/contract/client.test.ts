import { expect, test } from 'vitest'
import { ApiError, createClient } from './client.ts'

type Sent = { readonly url: string; readonly init: RequestInit }

/** A server that answers in turn, and remembers what was sent. */
function aServer(...answers: readonly Response[]): { fetch: typeof fetch; sent: Sent[] } {
  const sent: Sent[] = []
  const rest = [...answers]
  return {
    sent,
    fetch: async (url, init = {}) => {
      sent.push({ url: String(url), init })
      return rest.shift() ?? new Response(null, { status: 204 })
    },
  }
}

const json = (body: unknown, init: ResponseInit = {}) => Response.json(body, init)

test('parameters are one encoded segment each, queries repeat for lists', async () => {
  const { fetch, sent } = aServer(json({ items: [] }))
  const client = createClient({ url: 'http://ci', token: 't', fetch })
  await client.call('listProjectRuns', {
    params: { projectRef: 'org/acme/web' },
    query: { phase: ['queued', 'running'], limit: 5 },
  })
  expect(sent[0]!.url).toBe('http://ci/api/v1/projects/org%2Facme%2Fweb/runs?phase=queued&phase=running&limit=5')
  expect(sent[0]!.init.headers).toMatchObject({ authorization: 'Bearer t' })
})

test('what the client saw or wrote is told with the next request', async () => {
  const { fetch, sent } = aServer(json({ id: 'u' }, { status: 201, headers: { 'slipway-position': 'g.c5' } }))
  const client = createClient({ url: 'http://ci', fetch })
  await client.call('createUser', { body: { name: 'ann' }, idempotencyKey: 'k' })
  await client.call('deleteUser', { params: { userRef: 'ann' }, ifMatch: 3 })
  expect(sent[0]!.init.headers).toMatchObject({ 'idempotency-key': 'k', 'content-type': 'application/json' })
  expect(sent[1]!.init.headers).toMatchObject({ 'slipway-position': 'g.c5', 'if-match': '"3"' })
  expect(sent[1]!.init.method).toBe('DELETE')
})

test("an error is the server's, with status, code and request id", async () => {
  const { fetch } = aServer(json({ code: 'user_not_found', message: 'no', requestId: 'r' }, { status: 404 }))
  const client = createClient({ url: 'http://ci', fetch })
  const error = await client.call('getUser', { params: { userRef: 'x' } }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ApiError)
  expect(error).toMatchObject({ status: 404, code: 'user_not_found', message: 'no', requestId: 'r' })
})

test('an answer that is none of the API is an error with its status', async () => {
  const { fetch } = aServer(new Response('<html>', { status: 502 }))
  const client = createClient({ url: 'http://ci', fetch })
  await expect(client.call('getVersion')).rejects.toMatchObject({ status: 502, code: 'unknown' })
})

test('a server that cannot be reached is said so', async () => {
  const client = createClient({ url: 'http://ci', fetch: () => Promise.reject(new TypeError('fetch failed')) })
  await expect(client.call('getVersion')).rejects.toMatchObject({ code: 'service_unavailable' })
})

test('of answers that come in another order than their requests, the newest counts', async () => {
  const at = (position: string) => json({ items: [] }, { headers: { 'slipway-position': position } })
  const { fetch, sent } = aServer(at('g.c5.r7'), at('g.c4.r9.n1'), json({ items: [] }), at('h.c1'), at('h.r1'))
  const client = createClient({ url: 'http://ci', fetch })
  for (let request = 0; request < 6; request++) await client.call('listUsers')
  const told = sent.map(({ init }) => (init.headers as Record<string, string>)['slipway-position'])
  expect(told).toEqual([undefined, 'g.c5.r7', 'g.c5.r9.n1', 'g.c5.r9.n1', 'h.c1', 'h.c1.r1'])
})

test('events come typed, with their ids', async () => {
  const { fetch, sent } = aServer(new Response('id: 7\nevent: log\ndata: {"text":"hi"}\n\nevent: end\ndata: {}\n\n'))
  const client = createClient({ url: 'http://ci', fetch })
  const params = { runId: 'r', taskId: 't', log: 'setup' }
  const events = await Array.fromAsync(client.events('followLog', { params, lastEventId: '3' }))
  expect(events).toEqual([
    { event: 'log', id: '7', data: { text: 'hi' } },
    { event: 'end', id: '7', data: {} },
  ])
  expect(sent[0]!.init.headers).toMatchObject({ 'last-event-id': '3', accept: 'text/event-stream' })
})
