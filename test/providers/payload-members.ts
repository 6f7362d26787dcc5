// Which members a payload has, and which of them a parser looks at.

/** Types of members, by path: `.commits[].id` is of `string`. */
export type PayloadMembers = Map<string, Set<string>>

/** Of all members of the payloads. */
export function membersOf(payloads: readonly unknown[]): PayloadMembers {
  const found: PayloadMembers = new Map()
  for (const payload of payloads) collect(payload, '', found)
  return found
}

/** Of those members that `read` looks at; others are as if they were not there. */
export function membersRead(payload: object, read: (payload: object) => unknown): PayloadMembers {
  const found: PayloadMembers = new Map()
  read(watched(payload, '', found))
  return found
}

/** Members that `known` does not have, or not of this type; one line each. */
export function strangersTo(known: PayloadMembers, members: PayloadMembers): readonly string[] {
  return [...members]
    .filter(([path, types]) => !types.isSubsetOf(known.get(path) ?? new Set()))
    .map(([path, types]) => `${path}: ${[...types]}`)
}

function collect(value: unknown, path: string, into: PayloadMembers): void {
  note(value, path, into)
  if (Array.isArray(value)) for (const item of value) collect(item, `${path}[]`, into)
  else if (value !== null && typeof value === 'object')
    for (const [name, member] of Object.entries(value)) collect(member, `${path}.${name}`, into)
}

function watched<T extends object>(value: T, path: string, into: PayloadMembers): T {
  return new Proxy(value, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver)
      if (typeof name === 'symbol' || !Object.hasOwn(target, name) || name === 'length') return member
      const place = Array.isArray(target) ? `${path}[]` : `${path}.${name}`
      note(member, place, into)
      return typeof member === 'object' && member !== null ? watched(member, place, into) : member
    },
  })
}

function note(value: unknown, path: string, into: PayloadMembers): void {
  const type = value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value
  into.set(path, (into.get(path) ?? new Set()).add(type))
}
