// The network between one instance and what it stores things in: any call may be late, lost, done twice, answered with what
// was true a while ago, or be the last thing the instance does.

import { SlipwayError } from '../../lib/errors.ts'
import type { Coverage } from './coverage.ts'
import { type LogCall, LostAnswer, type Request } from './memory-log.ts'
import type { BucketCall } from './memory-storage.ts'
import type { Prng } from './prng.ts'
import type { SimulatedClock } from './simulated-clock.ts'

export const logCalls = ['append', 'read records', 'head', 'collect'] as const satisfies readonly LogCall[]
export const bucketCalls = ['put', 'create', 'read', 'stat', 'delete', 'list'] as const satisfies readonly BucketCall[]
export type StoreCall = LogCall | BucketCall

const faults = [
  'request lost',
  'answer lost',
  'answer lost, request late',
  'request repeated late',
  'request repeated at once',
  'stale answer',
  'damaged answer',
  'stalled',
  'stopped',
  'disk full',
  'crash before',
  'crash after',
] as const
type Fault = (typeof faults)[number]

/** For which calls a fault is possible, where not for all. */
const possible: Partial<Record<Fault, readonly StoreCall[]>> = {
  // A store may see a request again after it has answered: only appending and creating are safe against that, and asked to be.
  'request repeated late': ['append', 'create'],
  'request repeated at once': ['append', 'create', 'put', 'delete', 'collect'],
  'stale answer': ['read records', 'read', 'stat', 'list'],
  'damaged answer': ['read'],
  'disk full': ['put', 'create'],
}

/** Every fault that must have happened. */
export const networkFaults: readonly string[] = [
  ...[...logCalls, ...bucketCalls].flatMap((call) => [`crash before ${call}`, `crash after ${call}`]),
  ...[...logCalls, ...bucketCalls].map((call) => `answer lost of ${call}`),
  ...['stale answer', 'request repeated at once', 'disk full'].flatMap((fault) =>
    (possible[fault as Fault] ?? []).map((call) => `${fault} of ${call}`),
  ),
  ...['request lost', 'answer lost, request late', 'request repeated late', 'damaged answer', 'stalled', 'stopped'],
  'stopped for a minute',
]

/** Calls that are made seldom fail more often. */
const rarity: Partial<Record<StoreCall, number>> = {
  stat: 6,
  delete: 3,
  put: 1.5,
  create: 1.5,
  head: 2,
  collect: 24,
}
const manifestRarity = 2
const faultRate = 0.04
const delayMsMax = 3
const lateMsMax = 60
const stallMsMax = 2500
/** Long enough for the others to make snapshots and to collect what was newest before. */
const stoppedMsMin = 3000
const stoppedMsMax = 15_000
/** One of twenty stands still for so long: longer than anybody waits for an answer. */
const longStopMs = 60_000
const longStopShare = 0.05
/** How often of all times that it could: where the most may happen meanwhile, often. */
const stoppedShare: Partial<Record<StoreCall, number>> = { append: 0.6, create: 0.6, stat: 0.6 }
const stoppedShareElse = 0.05

/** One life of an instance, as the network sees it. */
export type Life = {
  isDead: boolean
  /** It was told what is not so; what it concludes from that is not its fault. */
  wasLiedTo: boolean
  /** Set when it has started. */
  number: number | undefined
  /** It stands still until then, as a process that got SIGSTOP: what it has begun happens afterwards. */
  stoppedUntil: number
}

export type FaultyNetworkParts = {
  readonly random: Prng
  readonly clock: SimulatedClock
  readonly coverage: Coverage
  /** Ends the life; the call throws afterwards. */
  readonly die: (life: Life, when: string) => void
  /** Every call that was made; returns true for the one with which the instance must die. */
  readonly onCall: (call: StoreCall) => boolean
  readonly onFault: () => void
  /** Whether the stores of this seed may show old answers and damaged ones. */
  readonly mayLie: boolean
}

export class FaultyNetwork {
  readonly #parts: FaultyNetworkParts
  /** 1 while things fail, 0 afterwards. */
  rate = 1
  /** When everything that was late has happened. */
  quietAt = 0
  /** How long the request that is being done was on its way, in milliseconds. */
  lateMs = 0

  constructor(parts: FaultyNetworkParts) {
    this.#parts = parts
  }

  async call<T>(life: Life, call: StoreCall, key: string, request: Request<T>, signal?: AbortSignal): Promise<T> {
    const { random, clock, coverage } = this.#parts
    checkLife(life)
    await clock.sleep(random.below(delayMsMax), signal)
    checkLife(life)
    const sentAt = clock.now()
    const act = () => {
      this.lateMs = clock.now() - sentAt
      return request.act()
    }
    const fault = this.#choose(life, call, key, request)
    if (fault) {
      this.#parts.onFault()
      coverage.reached(nameOf(fault, call))
    }
    switch (fault) {
      case undefined:
        break
      case 'request lost':
        throw new LostAnswer(fault)
      case 'answer lost':
        swallow(act)
        throw new LostAnswer(fault)
      case 'answer lost, request late':
        this.#later(act)
        throw new LostAnswer(fault)
      case 'request repeated late':
        this.#later(act)
        break
      case 'request repeated at once':
        swallow(act)
        break
      case 'stale answer':
        if (isLie(call)) life.wasLiedTo = true
        return request.stale!() // chosen only where there is one
      case 'damaged answer':
        life.wasLiedTo = true
        return request.damaged!()
      case 'stalled':
        await clock.sleep(random.below(stallMsMax), signal)
        checkLife(life)
        break
      case 'stopped':
        life.stoppedUntil = clock.now() + this.#stopMs()
        this.quietAt = Math.max(this.quietAt, life.stoppedUntil)
        break
      case 'disk full':
        throw new SlipwayError('disk_full', 'simulated: no space left')
      case 'crash before':
        // Sent, but not arrived when the process died.
        if (random.chance(0.3)) this.#later(act)
        this.#parts.die(life, `before ${call} ${key}`)
        throw new LostAnswer(fault)
      case 'crash after':
        swallow(act)
        this.#parts.die(life, `after ${call} ${key}`)
        throw new LostAnswer(fault)
    }
    await this.#whileStopped(life, signal)
    const answer = act()
    await clock.sleep(random.below(delayMsMax), signal)
    await this.#whileStopped(life, signal)
    checkLife(life)
    return answer
  }

  #stopMs(): number {
    const { random, coverage } = this.#parts
    if (!random.chance(longStopShare)) return stoppedMsMin + random.below(stoppedMsMax - stoppedMsMin)
    coverage.reached('stopped for a minute')
    return longStopMs
  }

  async #whileStopped(life: Life, signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.#parts
    if (life.stoppedUntil > clock.now()) await clock.sleep(life.stoppedUntil - clock.now(), signal)
  }

  #later(act: () => unknown): void {
    const { random, clock } = this.#parts
    const lateMs = random.below(random.chance(0.2) ? stallMsMax : lateMsMax)
    this.quietAt = Math.max(this.quietAt, clock.now() + lateMs)
    clock.after(lateMs, () => swallow(act))
  }

  #choose<T>(life: Life, call: StoreCall, key: string, { stale, damaged }: Request<T>): Fault | undefined {
    const { random, onCall, mayLie } = this.#parts
    if (onCall(call)) return random.pick(['crash before', 'crash after'])
    // A start makes many calls, and must succeed now and then.
    const rare = (rarity[call] ?? 1) * (key.includes('/snapshot/') ? manifestRarity : 1)
    const rate = this.rate * faultRate * rare * (life.number === undefined ? 0.3 : 1)
    if (!random.chance(rate)) return undefined
    const fault = random.pick(faults)
    if (possible[fault] && !possible[fault].includes(call)) return undefined
    if (fault === 'stopped' && !random.chance(stoppedShare[call] ?? stoppedShareElse)) return undefined
    if (fault === 'stale answer' && (!stale || (isLie(call) && !mayLie))) return undefined
    if (fault === 'damaged answer' && (!damaged || !mayLie)) return undefined
    // The one thing all instances stand on is written once, when nobody is there who could be told.
    return key.includes('/root/') && fault === 'stale answer' ? undefined : fault
  }
}

/** Reading records late and listings are expected to be behind; other calls are not. */
function isLie(call: StoreCall): boolean {
  return call !== 'list' && call !== 'read records'
}

function nameOf(fault: Fault, call: StoreCall): string {
  if (fault === 'crash before' || fault === 'crash after') return `${fault} ${call}`
  const ofCall = ['answer lost', 'stale answer', 'request repeated at once', 'disk full']
  return ofCall.includes(fault) ? `${fault} of ${call}` : fault
}

function checkLife(life: Life): void {
  if (life.isDead) throw new LostAnswer('the instance is dead')
}

/** Nobody hears of it. */
function swallow(act: () => unknown): void {
  try {
    act()
  } catch {
    // The answer is lost either way.
  }
}
