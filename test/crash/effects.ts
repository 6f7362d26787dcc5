// Effects of an installation on the world outside of its process, by name, and a kill at a chosen one of them. The process
// dies by SIGKILL, so nothing of it gets to tidy up.

export const effects = [
  'record appended',
  'record committed',
  'journal written',
  'journal removed',
  'order received',
  'status sent',
  'tree packed',
  'pod created',
  'pod attached',
  'pod removed',
  'step started',
  'step attached',
  'output read',
  'output released',
  'step ended',
  'files packed',
  'files unpacked',
  'log begun',
  'frame sent',
  'frame stored',
  'log finished',
  'trailer stored',
  'object deleted',
  'archive sent',
  'archive stored',
  'cache looked up',
  'cache sent',
  'cache stored',
  'cache entry created',
] as const
export type Effect = (typeof effects)[number]

export type Kill =
  /** Before or after the n-th occurrence of an effect, counted from 1. SIGTERM asks for a planned stop. */
  | {
      readonly when: 'before' | 'after'
      readonly effect: Effect
      readonly nth: number
      readonly signal?: 'SIGKILL' | 'SIGTERM'
    }
  /** At the n-th moment before or after any effect, and `delayMs` later. */
  | { readonly when: 'moment'; readonly nth: number; readonly delayMs: number }
  /** After a time that begins with the process. */
  | { readonly when: 'time'; readonly ms: number }

export function describeKill(kill: Kill): string {
  switch (kill.when) {
    case 'before':
    case 'after':
      return `${kill.when} ${kill.effect} ${kill.nth}`
    case 'moment':
      return `moment ${kill.nth} + ${kill.delayMs} ms`
    case 'time':
      return `${kill.ms} ms`
  }
}

/** Counts effects, and kills this process when the chosen one comes. */
export class EffectWatch {
  readonly #kill: Kill | undefined
  readonly #counts = new Map<string, number>()
  #moments = 0

  constructor(kill: Kill | undefined) {
    this.#kill = kill
    if (kill?.when === 'time') setTimeout(() => killThisProcess(), kill.ms)
  }

  /** Occurrences that began, by name; `moments` is the number of all befores and afters. */
  get counts(): { readonly effects: Readonly<Record<string, number>>; readonly moments: number } {
    const begun = [...this.#counts].filter(([key]) => key.startsWith('before '))
    return {
      effects: Object.fromEntries(begun.map(([key, count]) => [key.slice('before '.length), count])),
      moments: this.#moments,
    }
  }

  before(effect: Effect): void {
    this.#at('before', effect)
  }

  after(effect: Effect): void {
    this.#at('after', effect)
  }

  sync<T>(effect: Effect, act: () => T): T {
    this.before(effect)
    const result = act()
    this.after(effect)
    return result
  }

  async around<T>(effect: Effect, act: () => Promise<T>): Promise<T> {
    this.before(effect)
    const result = await act()
    this.after(effect)
    return result
  }

  #at(when: 'before' | 'after', effect: Effect): void {
    const key = `${when} ${effect}`
    const count = (this.#counts.get(key) ?? 0) + 1
    this.#counts.set(key, count)
    this.#moments++
    const kill = this.#kill
    if (kill === undefined || kill.when === 'time') return
    if (kill.when === 'moment') {
      if (kill.nth !== this.#moments) return
      if (kill.delayMs === 0) killThisProcess()
      else setTimeout(() => killThisProcess(), kill.delayMs)
    } else if (kill.when === when && kill.effect === effect && kill.nth === count) killThisProcess(kill.signal)
  }
}

function killThisProcess(signal: NodeJS.Signals = 'SIGKILL'): void {
  process.kill(process.pid, signal)
}
