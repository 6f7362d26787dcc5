// What an executor may rely on, whatever is between it and the runservice.

import { createHash } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import type { NewRunRequest } from '../api.ts'
import type { ExecutorApi, ExecutorHello, FoundCache, Order, OrderMessage } from '../executor-api.ts'
import { encodeFrame, indexFrame } from '../logs/frame.ts'
import type { TaskSpec } from '../scheduler/run-fixture.ts'
import {
  aHello,
  aReport,
  aRequest,
  bytesOf,
  ended,
  type Installation,
  never,
  textOf,
  until,
} from '../service-fixture.ts'

export type ContractBench = {
  readonly installation: Installation
  /** Two executors. */
  readonly executors: readonly [ContractExecutor, ContractExecutor]
}
export type ContractExecutor = { readonly id: string; readonly api: ExecutorApi }

/** An open connection, and what it said. */
type Connected = {
  readonly messages: OrderMessage[]
  order(taskName: string): Promise<Order>
  message(kind: OrderMessage['kind']): Promise<OrderMessage>
  readonly ended: Promise<unknown>
  disconnect(): Promise<void>
}

export function executorApiContract(open: () => Promise<ContractBench & AsyncDisposable>): void {
  const aBench = async () => {
    const bench = await open()
    onTestFinished(() => bench[Symbol.asyncDispose]())
    const { runservice } = bench.installation
    const create = async (specs: Readonly<Record<string, TaskSpec>>, fields: Partial<NewRunRequest> = {}) => {
      const [run] = await runservice.createRuns([aRequest(specs, fields)])
      return run!.id
    }
    const connect = async (executor: ContractExecutor, fields: Partial<ExecutorHello> = {}) => {
      const connected = connectTo(executor, fields)
      onTestFinished(() => connected.disconnect())
      await until(async () => (await runservice.listExecutors()).some(({ id, isHeld }) => id === executor.id && isHeld))
      return connected
    }
    return { ...bench, runservice, create, connect }
  }

  /** An executor with one order. */
  const anOrder = async (specs: Readonly<Record<string, TaskSpec>> = { a: {} }) => {
    const bench = await aBench()
    const [executor] = bench.executors
    const connected = await bench.connect(executor)
    const runId = await bench.create(specs)
    return { ...bench, ...executor, connected, runId, order: await connected.order(Object.keys(specs)[0]!) }
  }

  test('orders come as they are made, whole, and the secrets with them', async () => {
    const { connect, create, executors } = await aBench()
    const connected = await connect(executors[0])
    await create({ a: {} }, { secrets: { token: 'correct horse' }, environment: { TOKEN: { secret: 'token' } } })
    const order = await connected.order('a')
    expect(order).toMatchObject({ executorTaskId: 'a-id.1', lastStatus: 0, stop: false })
    expect(order.environment).toMatchObject({ TOKEN: 'correct horse' })
    expect(order.secrets).toEqual([{ name: 'token', value: 'correct horse' }])
  })

  test('an executor that connects again gets what has not ended, and gone for what only it has', async () => {
    const { api, id, connect, connected, order } = await anOrder()
    await api.report(aReport(order, 'running'))
    await connected.disconnect()
    const again = await connect(
      { api, id },
      {
        has: [
          { id: 'other.1', lastStatus: 3 },
          { id: order.executorTaskId, lastStatus: 1 },
        ],
      },
    )
    expect(await again.message('gone')).toEqual({ kind: 'gone', executorTaskId: 'other.1' })
    expect(await again.order('a')).toMatchObject({ executorTaskId: order.executorTaskId, lastStatus: 1 })
    expect(again.messages.filter(({ kind }) => kind === 'gone').length).toBe(1)
  })

  test('a stop is told, also to an executor that was away', async () => {
    const { api, id, connect, connected, order, runservice, runId } = await anOrder()
    await api.report(aReport(order, 'running'))
    await runservice.stopRun(runId)
    expect(await connected.message('stop')).toEqual({ kind: 'stop', executorTaskId: order.executorTaskId })
    await connected.disconnect()
    const again = await connect({ api, id }, { has: [{ id: order.executorTaskId, lastStatus: 1 }] })
    expect(await again.order('a')).toMatchObject({ stop: true })
  })

  test('a report acts once, whatever becomes of its answer', async () => {
    const { api, order, runservice, runId } = await anOrder()
    const running = aReport(order, 'running', { startedAt: 5 })
    expect(await api.report(running)).toBe('applied')
    expect(await api.report(running)).toBe('known')
    expect(await api.report(aReport(order, 'success', { number: 2, endedAt: 9 }))).toBe('applied')
    expect(await api.report(aReport(order, 'success', { number: 3 }))).toBe('gone')
    expect((await ended(runservice, runId)).tasks[0]!.task).toMatchObject({
      status: 'success',
      startedAt: 5,
      endedAt: 9,
    })
  })

  test('a report that cannot be true is refused', async () => {
    const { api, order } = await anOrder()
    const steps = [...order.steps, ...order.steps].map(() => ({ phase: 'running' as const }))
    await expect(api.report(aReport(order, 'running', { steps }))).rejects.toMatchObject({ code: 'status_impossible' })
  })

  test('what belongs to another executor is gone for this one', async () => {
    const { executors, order } = await anOrder()
    const { api } = executors[1]
    const gone = { code: 'executor_task_gone' }
    const task = order.executorTaskId
    expect(await api.report(aReport(order, 'running'))).toBe('gone')
    await expect(api.cloneUrl(task)).rejects.toMatchObject(gone)
    await expect(api.logPosition(task, 0)).rejects.toMatchObject(gone)
    await expect(api.storeFrame(task, 0, await aFrame(0, 'x'))).rejects.toMatchObject(gone)
    await expect(api.finishLog(task, 0)).rejects.toMatchObject(gone)
    await expect(api.saveArchive(task, 0, bytesOf('x'))).rejects.toMatchObject(gone)
    await expect(api.findCache(task, 'k', { exactOnly: true })).rejects.toMatchObject(gone)
    await expect(api.saveCache(task, 'k', bytesOf('x'))).rejects.toMatchObject(gone)
    api.offerLive(task, 0, 0, Buffer.from('x')) // Says nothing, and does nothing.
  })

  test('where the repository is by now is where the order says, as long as nothing else is known', async () => {
    const { api, order } = await anOrder()
    expect(await api.cloneUrl(order.executorTaskId)).toBe(order.clone.url)
  })

  test('frames are stored one after another, each once, and the log ends when it is finished', async () => {
    const { api, order, runservice } = await anOrder()
    const task = order.executorTaskId
    expect(await api.logPosition(task, 'setup')).toEqual({ bytes: 0, lines: 0, rawBytes: 0, complete: false })
    const first = await aFrame(0, 'first\n')
    expect(await api.storeFrame(task, 'setup', first)).toMatchObject({ bytes: 6, lines: 1 })
    expect(await api.storeFrame(task, 'setup', first)).toMatchObject({ bytes: 6, lines: 1 })
    expect(await api.storeFrame(task, 'setup', await aFrame(6, 'second\n', 1))).toMatchObject({ bytes: 13, lines: 2 })
    await expect(api.storeFrame(task, 'setup', await aFrame(20, 'gap\n'))).rejects.toMatchObject({ code: 'log_moved' })
    await expect(api.storeFrame(task, 'setup', Buffer.from('none'))).rejects.toMatchObject({ kind: 'internal' })
    await api.finishLog(task, 'setup')
    await api.finishLog(task, 'setup')
    expect(await api.logPosition(task, 'setup')).toMatchObject({ bytes: 13, complete: true })
    expect(await textOf(runservice.readLog(order.runTaskId, 'setup'))).toBe('first\nsecond\n')
  })

  test('a follower has live bytes before they are stored, and each byte once', async () => {
    const { api, order, runservice } = await anOrder()
    const task = order.executorTaskId
    let seen = ''
    const following = (async () => {
      for await (const chunk of runservice.followLog(order.runTaskId, 0, 0, never))
        seen += Buffer.from(chunk).toString()
    })()
    api.offerLive(task, 0, 0, Buffer.from('one '))
    await until(() => seen === 'one ')
    api.offerLive(task, 0, 4, Buffer.from('two '))
    api.offerLive(task, 0, 8, Buffer.from('three '))
    await until(() => seen === 'one two three ')
    await api.storeFrame(task, 0, await aFrame(0, 'one two three '))
    await api.storeFrame(task, 0, await aFrame(14, 'four'))
    await api.finishLog(task, 0)
    await following
    expect(seen).toBe('one two three four')
  })

  test.each([0, 1, 100_000, 20 * 1024 * 1024])(
    'an archive of %d bytes is saved once and read back as it was',
    async (size) => {
      const specs = { a: {}, b: { after: { a: 'S' } } } as const
      const { api, order, connected } = await anOrder(specs)
      const data = aRandom(size)
      const stored = await api.saveArchive(order.executorTaskId, 0, chunksOf(data))
      expect(stored).toMatchObject({ sizeBytes: size, sha256: sha256(data) })
      expect(await api.saveArchive(order.executorTaskId, 0, chunksOf(aRandom(10)))).toEqual(stored)
      await api.report(aReport(order, 'success'))
      const b = await connected.order('b')
      expect(sha256(await bufferOf(api.readArchive(b.executorTaskId, stored)))).toBe(stored.sha256)
      const wrong = { ...stored, sha256: '0'.repeat(64) }
      if (size > 0 && size < 1000) return
      // In one process the storage itself has compared it.
      await bufferOf(api.readArchive(b.executorTaskId, wrong)).catch((error: unknown) =>
        expect(error).toMatchObject({ code: 'object_corrupt' }),
      )
    },
  )

  test('an archive that breaks off is not saved', async () => {
    const { api, order } = await anOrder()
    await expect(api.saveArchive(order.executorTaskId, 0, breaking())).rejects.toThrow('the pod is gone')
    const stored = await api.saveArchive(order.executorTaskId, 0, bytesOf('whole'))
    expect(stored.sizeBytes).toBe(5)
  })

  test('an archive of another run cannot be read', async () => {
    const { api, create, connected, order } = await anOrder()
    const stored = await api.saveArchive(order.executorTaskId, 0, bytesOf('mine'))
    await create({ z: {} }, { group: '/project/p2/branch/main' })
    const other = await connected.order('z')
    const read = bufferOf(api.readArchive(other.executorTaskId, stored))
    await expect(read).rejects.toMatchObject({ code: 'object_not_found' })
  })

  test('a cache is written once, found by its key or what begins with it, and read', async () => {
    const { api, order } = await anOrder()
    const task = order.executorTaskId
    const find = (key: string, exactOnly = false) => api.findCache(task, key, { exactOnly })
    expect(await find('deps-1')).toBeUndefined()
    expect(await api.saveCache(task, 'deps-1 ä/?&', bytesOf('content'))).toBe('stored')
    expect(await api.saveCache(task, 'deps-1 ä/?&', bytesOf('other'))).toBe('exists')
    expect(await find('deps-1', true)).toBeUndefined()
    const found = (await find('deps-')) as FoundCache
    expect(found.sizeBytes).toBe(7)
    expect(await textOf(api.readCache(task, found))).toBe('content')
    const foreign = { ...found, object: found.object.replace('/p1/', '/p2/') }
    await expect(bufferOf(api.readCache(task, foreign))).rejects.toMatchObject({ code: 'object_not_found' })
  })

  test('a connection ends when its executor is removed, after gone was told', async () => {
    const { id, connected, order, runservice } = await anOrder()
    await runservice.removeExecutor(id)
    expect(await connected.message('gone')).toEqual({ kind: 'gone', executorTaskId: order.executorTaskId })
    expect(['executor_removed', 'unauthenticated']).toContain(((await connected.ended) as { code: string }).code)
  })

  test('a connection that is given up ends, and the executor is not held any more', async () => {
    const { connected, runservice } = await anOrder()
    await connected.disconnect()
    expect(await connected.ended).toBeUndefined()
    await until(async () => (await runservice.listExecutors()).every(({ isHeld }) => !isHeld))
  })
}

function connectTo({ id, api }: ContractExecutor, fields: Partial<ExecutorHello>): Connected {
  const stop = new AbortController()
  const messages: OrderMessage[] = []
  const reading = (async () => {
    for await (const message of api.connect(aHello({ id, ...fields }), stop.signal)) messages.push(message)
  })()
  const end = reading.catch((error: unknown) => (stop.signal.aborted ? undefined : error))
  const find = async <T>(pick: () => T | undefined): Promise<T> => {
    await until(() => pick() !== undefined)
    return pick()!
  }
  return {
    messages,
    order: (taskName) =>
      find(() =>
        messages
          .map((message) => (message.kind === 'execute' ? message.order : undefined))
          .findLast((order) => order?.taskName === taskName),
      ),
    message: (kind) => find(() => messages.find((message) => message.kind === kind)),
    ended: end,
    disconnect: async () => {
      stop.abort()
      await end
    },
  }
}

export async function aFrame(firstByte: number, text: string, firstLine = 0): Promise<Uint8Array> {
  const bytes = Buffer.from(text)
  const index = indexFrame({ firstByte, firstLine, rawBytes: firstByte + bytes.length }, bytes, [{ offset: 0, at: 1 }])
  return await encodeFrame({ ...index, isWholeLog: false }, bytes, Buffer.alloc(64 * 1024))
}

const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

/** Not compressible, and the same each time. */
export function aRandom(size: number): Buffer {
  const block = createHash('sha512').update(String(size)).digest()
  const data = Buffer.alloc(size)
  for (let at = 0; at < size; at += block.length) {
    block.copy(data, at)
    data.writeUInt8((at / block.length) & 255, at)
  }
  return data
}

export async function* chunksOf(data: Uint8Array, size = 70_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size)
}

async function* breaking(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('begun')
  throw new Error('the pod is gone')
}

export async function bufferOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(chunks))
}
