// Floor of advancing a run: one bare walk over all tasks and the parents of those that have not started, as arrays of
// numbers.

export type BareGraph = {
  /** 0 not started, 1 running, 2 success. */
  readonly status: Uint8Array
  /** Parents of task i: `parents[start[i]]` up to `parents[start[i + 1]]`. */
  readonly start: Int32Array
  readonly parents: Int32Array
}

/** Indexes of the tasks that may start. */
export function scanGraph({ status, start, parents }: BareGraph): number[] {
  const ready: number[] = []
  for (let index = 0; index < status.length; index++) {
    if (status[index] !== 0) continue
    let isReady = true
    for (let at = start[index]!; at < start[index + 1]! && isReady; at++) isReady = status[parents[at]!] === 2
    if (isReady) ready.push(index)
  }
  return ready
}
