import { expect, test } from 'vitest'
import { SimulatedClock } from '../simulation/simulated-clock.ts'
import { HeadWatch } from './head-watch.ts'

const pollMs = 5000

/** A log that ends at `head`, and who waits for a record after 3 in it. */
class World {
  readonly clock = new SimulatedClock()
  readonly watch: HeadWatch
  head = 3
  asked = 0

  constructor(hasNews: boolean) {
    this.watch = new HeadWatch(this.clock, pollMs, { hasNews })
  }

  async waits(from = 3): Promise<void> {
    const readHead = async () => {
      this.asked++
      return this.head
    }
    await this.watch.changed(from, readHead, new AbortController().signal)
  }

  /** How often the head was asked for when `act` has been done and who waits has heard of it. */
  async askedUntil(act: () => void, waiting: Promise<void>): Promise<number> {
    let isOver = false
    waiting.finally(() => {
      isOver = true
    })
    act()
    expect(await this.clock.run(() => isOver, 100)).toBe(true)
    return this.asked
  }

  /** The first who waits asks. */
  async begin(): Promise<void> {
    const waiting = this.waits()
    await this.askedUntil(() => this.watch.told(4), waiting)
    this.head = 4
    this.asked = 0
  }
}

test('whoever waits again for what it will be told of does not ask for the head', async () => {
  const world = new World(true)
  await world.begin()
  expect(await world.askedUntil(() => world.watch.told(5), world.waits(4))).toBe(0)
})

test('without news the head is asked for each time', async () => {
  const world = new World(false)
  await world.begin()
  expect(await world.askedUntil(() => world.watch.told(5), world.waits(4))).toBe(1)
})

test.each<[string, (world: World) => void]>([
  ['after something may have been missed', ({ watch }) => watch.look()],
  ['when nothing was told for a while', () => {}],
])('the head is asked for again %s', async (_when, act) => {
  const world = new World(true)
  await world.begin()
  const waiting = world.waits(4)
  world.head = 5
  expect(await world.askedUntil(() => act(world), waiting)).toBe(1)
})

test('a head that could not be asked for is asked for by the next who waits', async () => {
  const { clock, watch } = new World(true)
  const failing = async () => {
    throw new Error('no answer')
  }
  const { signal } = new AbortController()
  await expect(watch.changed(3, failing, signal)).rejects.toThrow('no answer')
  let asked = 0
  const answering = async () => {
    asked++
    return 4
  }
  await watch.changed(3, answering, signal)
  expect({ asked, now: clock.now() }).toEqual({ asked: 1, now: new SimulatedClock().now() })
})
