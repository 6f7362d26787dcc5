// `Slipway-Position`: how much of each service's data a caller has seen or caused. It comes with every answer that made or read
// something, is given back with the next request, and makes that one wait until this instance has seen as much.
//
//   <generation>.c12.r34.g5     opaque to callers; a generation that is not this one's is ignored

/** Each has a database of its own. */
const letters = { configstore: 'c', runservice: 'r', gateway: 'g', notification: 'n' } as const
type Service = keyof typeof letters
const services = Object.keys(letters) as Service[]

export type Positions = { readonly [S in Service]?: number }

/** What the header says; nothing when it is of another generation or none of ours. */
export function parsePositions(header: string | undefined, generation: string): Positions {
  const [of, ...parts] = (header ?? '').slice(0, 200).split('.')
  if (of !== generation) return {}
  const found: { [S in Service]?: number } = {}
  for (const part of parts) {
    const [, letter, digits] = /^([a-z])([0-9]{1,15})$/.exec(part) ?? []
    const service = services.find((one) => letters[one] === letter)
    if (service !== undefined) found[service] = Number(digits)
  }
  return found
}

/** The greater of each. */
export function mergePositions(a: Positions, b: Positions): Positions {
  return Object.fromEntries(
    services.flatMap((service) => {
      const newest = Math.max(a[service] ?? -1, b[service] ?? -1)
      return newest < 0 ? [] : [[service, newest]]
    }),
  )
}

/** Undefined when there is nothing to say. */
export function formatPositions(positions: Positions, generation: string): string | undefined {
  const parts = services.flatMap((service) =>
    positions[service] === undefined ? [] : [`${letters[service]}${positions[service]}`],
  )
  return parts.length === 0 ? undefined : [generation, ...parts].join('.')
}

/**
 * What is known after an answer: the greater of each, since answers to requests of one time come in any order. Those of other data
 * mean nothing any more once an answer is of new data.
 */
export function laterPosition(known: string | undefined, answered: string | undefined): string | undefined {
  const [generation] = answered?.split('.') ?? []
  if (generation === undefined) return known
  const positions = mergePositions(parsePositions(known, generation), parsePositions(answered, generation))
  return formatPositions(positions, generation)
}
