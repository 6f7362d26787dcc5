import { expect, test } from 'vitest'
import { newestOnly } from './newest-only.ts'
import { until } from './until-fixture.ts'

/** A source one pushes to, and a clock that passes when one says so. */
function aScene() {
  const waiting: { ms: number; resolve: () => void }[] = []
  const pushed: string[] = []
  let news = Promise.withResolvers<void>()
  let ending: { readonly error?: Error } | undefined
  async function* items() {
    for (;;) {
      while (pushed.length > 0) yield pushed.shift()!
      if (ending?.error !== undefined) throw ending.error
      if (ending !== undefined) return
      await news.promise
      news = Promise.withResolvers()
    }
  }
  const scene = {
    told: [] as string[],
    waiting,
    push: (...texts: string[]) => {
      pushed.push(...texts)
      news.resolve()
    },
    end: (error?: Error) => {
      ending = error === undefined ? {} : { error }
      news.resolve()
    },
    isRead: () => pushed.length === 0,
    rest: () => waiting.shift()!.resolve(),
  }
  const sleep = (ms: number, signal?: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      signal?.addEventListener('abort', () => reject(signal.reason))
      waiting.push({ ms, resolve })
    })
  const done = (async () => {
    const restMs = (text: string) => (text.startsWith('small') ? 0 : 100)
    for await (const text of newestOnly(items(), { restMs, clock: { sleep } })) scene.told.push(text)
  })()
  return { ...scene, done }
}

test('the first is told at once, and of those that come in the rest after it the newest', async () => {
  const scene = aScene()
  scene.push('a')
  await until(() => scene.waiting.length === 1)
  expect([scene.told, scene.waiting[0]!.ms]).toEqual([['a'], 100])
  scene.push('b', 'c', 'd')
  await until(scene.isRead)
  expect(scene.told).toEqual(['a'])
  scene.rest()
  await until(() => scene.told.length === 2)
  await until(() => scene.waiting.length === 1)
  scene.rest() // Nothing has come.
  scene.push('e')
  await until(() => scene.told.length === 3)
  scene.end()
  await scene.done
  expect(scene.told).toEqual(['a', 'd', 'e'])
})

test('without a rest all are told that one comes to', async () => {
  const scene = aScene()
  for (const text of ['small 1', 'small 2', 'small 3']) {
    scene.push(text)
    await until(() => scene.told.includes(text))
  }
  expect(scene.waiting).toEqual([])
  scene.end()
  await scene.done
})

test('the last is told without waiting for the end of the rest, and then the error', async () => {
  const scene = aScene()
  scene.push('a')
  await until(() => scene.waiting.length === 1)
  scene.push('b', 'last')
  await until(scene.isRead)
  scene.end(new Error('gone'))
  await expect(scene.done).rejects.toThrow('gone')
  expect(scene.told).toEqual(['a', 'last'])
})
