// Disturbs a race for a while, whatever its backend is: writers are killed and start again, stand still and wake up, and so
// does the server. A seed says when; what the machine makes of it is different each time.

import { systemClock } from '../../lib/clock.ts'
import type { Prng } from './prng.ts'
import type { Race } from './race.ts'

/** A server that writers share; an object storage in a directory has none. */
export type RacedServer = {
  kill(): Promise<void>
  start(): Promise<void>
  pause(): void
  resume(): void
}

export type Disturbances = Record<'killed' | 'stopped' | 'server killed' | 'server stopped', number>

/** Milliseconds that something stands still: also longer than a call may take. */
const stopMsMax = 2500
const calmMsMax = 700

/** Disturbs for `ms`, and then waits until everybody has gone on. Says how often what was done. */
export async function disturb(
  { writers }: Race,
  { ms, random, server }: { readonly ms: number; readonly random: Prng; readonly server?: RacedServer | undefined },
): Promise<Disturbances> {
  const done: Disturbances = { killed: 0, stopped: 0, 'server killed': 0, 'server stopped': 0 }
  const everybody = (count: number) => Promise.all(writers.map((writer) => writer.progress(count)))
  await everybody(3)
  for (const endAt = performance.now() + ms; performance.now() < endAt; ) {
    const writer = random.pick(writers)
    const what = random.pick(server ? kinds : kindsWithoutServer)
    done[what]++
    switch (what) {
      case 'killed':
        await writer.restart()
        break
      case 'stopped':
        writer.pause()
        await systemClock.sleep(random.below(stopMsMax))
        writer.resume()
        break
      case 'server killed':
        await server?.kill()
        await systemClock.sleep(random.below(calmMsMax))
        await server?.start()
        break
      case 'server stopped':
        server?.pause()
        await systemClock.sleep(random.below(stopMsMax))
        server?.resume()
        break
    }
    await systemClock.sleep(random.below(calmMsMax))
  }
  await everybody(10)
  return done
}

const kindsWithoutServer = ['killed', 'stopped'] as const
const kinds = [...kindsWithoutServer, 'killed', 'stopped', 'server killed', 'server stopped'] as const
