// `Slipway-Position`: how much of each service's data a caller has seen or caused. It comes with every answer that made or read
// something, is given back with the next request, and makes that one wait until this instance has seen as much.
//
//   <generation>.c12.r34        opaque to callers; a generation that is not this one's is ignored

export type Positions = { readonly configstore?: number; readonly runservice?: number }

const letters = { configstore: 'c', runservice: 'r' } as const

/** What the header says; nothing when it is of another generation or none of ours. */
export function parsePositions(header: string | undefined, generation: string): Positions {
  const [of, ...parts] = (header ?? '').slice(0, 200).split('.')
  if (of !== generation) return {}
  const found: { configstore?: number; runservice?: number } = {}
  for (const part of parts) {
    const [, letter, digits] = /^([cr])([0-9]{1,15})$/.exec(part) ?? []
    if (letter === 'c') found.configstore = Number(digits)
    else if (letter === 'r') found.runservice = Number(digits)
  }
  return found
}

/** The greater of each. */
export function mergePositions(a: Positions, b: Positions): Positions {
  return Object.fromEntries(
    (['configstore', 'runservice'] as const).flatMap((service) => {
      const newest = Math.max(a[service] ?? -1, b[service] ?? -1)
      return newest < 0 ? [] : [[service, newest]]
    }),
  )
}

/** Undefined when there is nothing to say. */
export function formatPositions(positions: Positions, generation: string): string | undefined {
  const parts = (['configstore', 'runservice'] as const).flatMap((service) =>
    positions[service] === undefined ? [] : [`${letters[service]}${positions[service]}`],
  )
  return parts.length === 0 ? undefined : [generation, ...parts].join('.')
}
