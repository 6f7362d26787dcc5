import { createHash } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { serveInstallation } from '../../executor/remote/served-installation-fixture.ts'
import { limits } from '../../lib/limits.ts'
import { aHello, aReport, aRequest, FakeExecutor } from '../service-fixture.ts'

type Sent = {
  readonly json?: unknown
  readonly bytes?: Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}

/** An executor with one order, and calls of it as they are on the wire. */
async function anOrder() {
  const installation = await serveInstallation()
  onTestFinished(() => installation[Symbol.asyncDispose]())
  const { runservice, url } = installation
  const { id, token } = await installation.client('one')
  const local = new FakeExecutor(runservice, { id }, () => undefined)
  onTestFinished(() => local[Symbol.asyncDispose]())
  await local.connect()
  await runservice.createRuns([aRequest({ a: {} })])
  const order = await local.order('a')
  const call = async (method: string, path: string, { json, bytes, headers }: Sent = {}, shown = token) => {
    const type = bytes === undefined ? 'application/json' : 'application/octet-stream'
    const body = bytes ?? (json === undefined ? undefined : JSON.stringify(json))
    const response = await fetch(`${url}/executor/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${shown}`,
        ...(body === undefined ? {} : { 'content-type': type }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: body as string }),
    })
    const text = await response.text()
    return {
      status: response.status,
      body: (text === '' ? undefined : JSON.parse(text)) as { code?: string } & Record<string, unknown>,
    }
  }
  return { ...installation, id, token, order, task: `/tasks/${order.executorTaskId}`, call }
}

const upload = '00000000-0000-7000-8000-000000000000'
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

test('every address wants the token of an executor', async () => {
  const { call, task } = await anOrder()
  for (const [method, path] of [
    ['GET', '/self'],
    ['POST', '/alive'],
    ['POST', '/register'],
    ['GET', '/orders?connection=1&position=0'],
    ['POST', `${task}/report`],
    ['GET', `${task}/logs/0`],
    ['POST', `${task}/logs/0/frames`],
    ['POST', `${task}/logs/0/live?firstByte=0`],
    ['POST', `${task}/logs/0/finish`],
    ['POST', `${task}/uploads`],
    ['PUT', `${task}/uploads/${upload}/0`],
    ['POST', `${task}/archives/0`],
    ['GET', `${task}/archives?object=x`],
    ['GET', `${task}/caches?key=k`],
    ['POST', `${task}/caches?key=k`],
    ['GET', `${task}/caches/data?object=x`],
  ] as const) {
    const { status, body } = await call(method, path, {}, 'wrong')
    expect([path, status, body.code]).toEqual([path, 401, 'unauthenticated'])
  }
})

test('an executor is who its token says, whatever it says, and may say more than is known', async () => {
  const { call, runservice, id } = await anOrder()
  const registered = await call('POST', '/register', { json: { ...aHello({ id: 'another' }), someday: true } })
  expect(registered).toMatchObject({ status: 200, body: { gone: [] } })
  expect((await runservice.listExecutors()).map((executor) => executor.id)).toEqual([id])
  expect((await call('GET', '/self')).body).toEqual({ executorId: id })
})

test('what does not have its form is refused', async () => {
  const { call, task, order } = await anOrder()
  const report = aReport(order, 'running')
  const archive = { uploadId: upload, parts: 1, sizeBytes: 1, sha256: '0'.repeat(64) }
  const part = Buffer.from('x')
  const refused: readonly (readonly [string, string, Sent, string])[] = [
    ['POST', '/register', { json: { ...aHello(), archs: ['z80'] } }, 'request_invalid'],
    ['POST', '/register', { json: [] }, 'request_invalid'],
    ['POST', '/register', { bytes: part }, 'request_invalid'],
    ['GET', '/orders', {}, 'request_invalid'],
    ['GET', '/orders?connection=99&position=0', {}, 'executor_not_registered'],
    ['POST', `${task}/report`, { json: { ...report, number: 0 } }, 'request_invalid'],
    ['POST', `${task}/report`, { json: { ...report, phase: 'asleep' } }, 'request_invalid'],
    ['POST', '/tasks/other/report', { json: report }, 'request_invalid'],
    ['GET', `${task}/logs/last`, {}, 'request_invalid'],
    ['GET', `${task}/logs/-1`, {}, 'request_invalid'],
    ['POST', `${task}/logs/0/frames`, { json: {} }, 'request_invalid'],
    ['POST', `${task}/logs/0/live`, { bytes: part }, 'request_invalid'],
    ['PUT', `${task}/uploads/${upload}/0`, { bytes: part }, 'request_invalid'],
    [
      'PUT',
      `${task}/uploads/..%2F..%2Fdatabase/0`,
      { bytes: part, headers: { 'x-slipway-sha256': sha256(part) } },
      'request_invalid',
    ],
    [
      'PUT',
      `/tasks/..%2F..%2F..%2Fdatabase/uploads/${upload}/0`,
      { bytes: part, headers: { 'x-slipway-sha256': sha256(part) } },
      'executor_task_gone',
    ],
    [
      'PUT',
      `${task}/uploads/${upload}/0`,
      { bytes: part, headers: { 'x-slipway-sha256': '0'.repeat(64) } },
      'service_unavailable',
    ],
    ['POST', `${task}/archives/0`, { json: archive }, 'upload_not_found'],
    ['POST', `${task}/archives/0`, { json: { ...archive, sha256: 'x' } }, 'request_invalid'],
    ['GET', `${task}/archives?object=database%2Fx`, {}, 'object_not_found'],
    ['GET', `${task}/caches/data?object=database%2Fx`, {}, 'object_not_found'],
    ['GET', `${task}/caches?key=`, {}, 'cache_key_invalid'],
  ]
  for (const [method, path, sent, code] of refused)
    expect([path, (await call(method, path, sent)).body?.code]).toEqual([path, code])
})

test('what is too large is refused before it is stored', async () => {
  const { call, task, order } = await anOrder()
  const { executorHelloBytes, reportBytes, liveBytes, uploadPartBytes, uploadParts, logFrameBytes } = limits
  const over = (bytes: number) => Buffer.alloc(bytes + 1)
  const large = over(uploadPartBytes.value)
  const tooLarge: readonly (readonly [string, string, Sent, string])[] = [
    ['POST', '/register', { json: { ...aHello(), more: 'x'.repeat(executorHelloBytes.value) } }, 'request_too_large'],
    [
      'POST',
      `${task}/report`,
      { json: { ...aReport(order, 'running'), more: 'x'.repeat(reportBytes.value) } },
      'request_too_large',
    ],
    ['POST', `${task}/logs/0/live?firstByte=0`, { bytes: over(liveBytes.value) }, 'request_too_large'],
    ['POST', `${task}/logs/0/frames`, { bytes: over(4 * logFrameBytes.value) }, 'request_too_large'],
    [
      'PUT',
      `${task}/uploads/${upload}/0`,
      { bytes: large, headers: { 'x-slipway-sha256': sha256(large) } },
      'request_too_large',
    ],
    [
      'PUT',
      `${task}/uploads/${upload}/${uploadParts.value}`,
      { bytes: Buffer.from('x'), headers: { 'x-slipway-sha256': sha256(Buffer.from('x')) } },
      'limit_exceeded',
    ],
  ]
  for (const [method, path, sent, code] of tooLarge)
    expect([path, (await call(method, path, sent)).body?.code]).toEqual([path, code])
})
