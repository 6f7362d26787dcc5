// Work by index: the lowest first, each once. Children have higher indexes than their parents, so whoever works through it
// has decided about all parents before a child.

export class IndexHeap {
  readonly #heap: number[] = []
  readonly #added = new Set<number>()

  constructor(indexes: Iterable<number>) {
    for (const index of indexes) this.add(index)
  }

  /** Does nothing for an index that was added before, also when it was taken out since. */
  add(index: number): void {
    if (this.#added.has(index)) return
    this.#added.add(index)
    const heap = this.#heap
    let at = heap.length
    heap.push(index)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (heap[parent]! <= index) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = index
  }

  /** Takes the lowest out. */
  next(): number | undefined {
    const heap = this.#heap
    const lowest = heap[0]
    const moved = heap.pop()
    if (lowest === undefined || moved === undefined || heap.length === 0) return lowest
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++
      if (heap[child]! >= moved) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = moved
    return lowest
  }
}
