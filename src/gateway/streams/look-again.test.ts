import { expect, test } from 'vitest'
import { lookAgain } from './look-again.ts'

type World = { position: number; executors: unknown; queue: unknown }

/** Time passes by sleeping; `steps` happen one after another, one in each sleep, then it ends. */
async function told(steps: readonly (() => void)[], world: World, lookEveryMs?: number) {
  const end = new AbortController()
  let now = 0
  let step = 0
  let looks = 0
  const found: unknown[] = []
  const clock = {
    now: () => now,
    sleep: async (ms: number) => {
      now += ms
      const act = steps[step++]
      if (act === undefined) end.abort()
      else act()
    },
  }
  const look = {
    executors: async () => {
      looks++
      return world.executors
    },
    queue: () => world.queue,
  }
  for await (const { name, value } of lookAgain(look, {
    position: async () => world.position,
    clock,
    signal: end.signal,
    ...(lookEveryMs === undefined ? {} : { lookEveryMs }),
  }))
    found.push([name, value])
  return { found, looks }
}

test('what there is is told first, then what changed, as soon as something was written', async () => {
  const world = { position: 1, executors: ['a'] as unknown, queue: 0 as unknown }
  const steps = [
    () => {},
    () => Object.assign(world, { position: 2, queue: 1 }),
    () => Object.assign(world, { position: 3 }),
  ]
  expect(await told(steps, world)).toEqual({
    found: [
      ['executors', ['a']],
      ['queue', 0],
      ['queue', 1],
    ],
    looks: 3,
  })
})

test.each([
  ['where that is asked for', 2000, 'gone'],
  ['not at all else', undefined, 'here'],
] as const)('what changes without being written is seen a little later %s', async (_, lookEveryMs, seen) => {
  const world = { position: 1, executors: 'here' as unknown, queue: 0 as unknown }
  const steps = [() => Object.assign(world, { executors: 'gone' }), ...Array.from({ length: 11 }, () => () => {})]
  const { found } = await told(steps, world, lookEveryMs)
  expect(found.filter((one) => (one as [string])[0] === 'executors').at(-1)).toEqual(['executors', seen])
})
