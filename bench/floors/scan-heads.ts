// Floor of placing one task: compare the first waiting task of each project in each class, and look for a free slot among
// all executors, as arrays of numbers.

export type BareHeads = {
  /** When the head of each class and project began to wait. */
  readonly since: Float64Array
  readonly limit: Int32Array
  readonly taken: Int32Array
}

/** The head to place, and the executor that gets it. */
export function scanHeads({ since, limit, taken }: BareHeads): readonly [number, number] {
  let executor = -1
  for (let index = 0; index < limit.length; index++)
    if (taken[index]! < limit[index]! && (executor < 0 || taken[index]! < taken[executor]!)) executor = index
  let head = 0
  for (let index = 1; index < since.length; index++) if (since[index]! < since[head]!) head = index
  return [head, executor]
}
