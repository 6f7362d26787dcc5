// Where the tasks of a run stand in the picture: a column for each level, rows so that lines are short and cross little. Lines that
// pass columns go through places of their own there, so they never run behind a task. Pure: tasks in, coordinates out.

export type GraphTask = { readonly id: string; readonly level: number; readonly depends: readonly string[] }

export type PlacedTask = { readonly id: string; readonly x: number; readonly y: number }
/** From a task to one that depends on it, by way of `points`: x and y of every column border it meets. */
export type PlacedEdge = { readonly from: string; readonly to: string; readonly path: string }
export type GraphLayout = {
  readonly tasks: readonly PlacedTask[]
  readonly edges: readonly PlacedEdge[]
  readonly width: number
  readonly height: number
}

export const nodeWidth = 208
export const nodeHeight = 46
const columnGap = 64
const rowGap = 14
/** What a passing line takes of a column. */
const laneHeight = 10
/** Each sweep goes there and back; more change little. */
const sweeps = 6

type Place = {
  readonly key: string
  /** Undefined for a place of a passing line. */
  readonly taskId: string | undefined
  readonly before: Place[]
  readonly after: Place[]
  order: number
  y: number
}

export function layoutGraph(tasks: readonly GraphTask[]): GraphLayout {
  const columns: Place[][] = []
  const placeOf = new Map<string, Place>()
  const column = (level: number) => {
    while (columns.length <= level) columns.push([])
    return columns[level]!
  }
  const add = (level: number, key: string, taskId: string | undefined): Place => {
    const place: Place = { key, taskId, before: [], after: [], order: 0, y: 0 }
    column(level).push(place)
    return place
  }
  const levelOf = new Map(tasks.map((task) => [task.id, task.level]))
  for (const task of tasks) placeOf.set(task.id, add(task.level, task.id, task.id))

  const chains: { readonly from: string; readonly to: string; readonly places: readonly Place[] }[] = []
  for (const task of tasks)
    for (const from of task.depends) {
      const start = placeOf.get(from)
      const startLevel = levelOf.get(from)
      if (start === undefined || startLevel === undefined || startLevel >= task.level) continue
      const places = [start]
      // All lines of a task to the right share their way until they part.
      for (let level = startLevel + 1; level < task.level; level++) {
        const key = `${from}>${level}`
        let lane = placeOf.get(key)
        if (lane === undefined) {
          lane = add(level, key, undefined)
          placeOf.set(key, lane)
        }
        places.push(lane)
      }
      places.push(placeOf.get(task.id)!)
      chains.push({ from, to: task.id, places })
      for (let index = 1; index < places.length; index++) {
        const [left, right] = [places[index - 1]!, places[index]!]
        if (left.after.includes(right)) continue
        left.after.push(right)
        right.before.push(left)
      }
    }

  orderRows(columns)
  placeRows(columns)

  const height = Math.max(0, ...columns.flat().map((place) => place.y + heightOf(place) / 2))
  const x = (level: number) => level * (nodeWidth + columnGap)
  return {
    tasks: columns.flatMap((places, level) =>
      places.flatMap(({ taskId, y }) =>
        taskId === undefined ? [] : [{ id: taskId, x: x(level), y: y - nodeHeight / 2 }],
      ),
    ),
    edges: chains.map(({ from, to, places }) => ({ from, to, path: pathThrough(places, x(levelOf.get(from)!)) })),
    width: columns.length === 0 ? 0 : x(columns.length - 1) + nodeWidth,
    height,
  }
}

function heightOf({ taskId }: Place): number {
  return taskId === undefined ? laneHeight : nodeHeight
}

/** Puts each place near the middle of its neighbours in the column before, then after, and so on. */
function orderRows(columns: readonly Place[][]): void {
  const number = (places: readonly Place[]) => {
    for (const [index, place] of places.entries()) place.order = index
  }
  columns.forEach(number)
  const sort = (places: Place[], neighbours: (place: Place) => readonly Place[]) => {
    const wanted = new Map(places.map((place) => [place, mean(neighbours(place)) ?? place.order]))
    places.sort((a, b) => wanted.get(a)! - wanted.get(b)! || a.order - b.order)
    number(places)
  }
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (const places of columns.slice(1)) sort(places, (place) => place.before)
    for (const places of columns.slice(0, -1).reverse()) sort(places, (place) => place.after)
  }
}

function mean(places: readonly Place[]): number | undefined {
  if (places.length === 0) return undefined
  return places.reduce((sum, { order }) => sum + order, 0) / places.length
}

/** Keeps the order; moves each place towards the middle of its neighbours as far as those beside it leave room. */
function placeRows(columns: readonly Place[][]): void {
  for (const places of columns)
    stackAt(
      places,
      places.map((place) => place.order * (nodeHeight + rowGap)),
    )
  const pull = (places: Place[], neighbours: (place: Place) => readonly Place[]) =>
    stackAt(
      places,
      places.map((place) => {
        const near = neighbours(place)
        return near.length === 0 ? place.y : near.reduce((sum, { y }) => sum + y, 0) / near.length
      }),
    )
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (const places of columns.slice(1)) pull(places, (place) => place.before)
    for (const places of columns.slice(0, -1).reverse()) pull(places, (place) => place.after)
  }
  const top = Math.min(0, ...columns.flat().map((place) => place.y - heightOf(place) / 2))
  const all = columns.flat()
  const first = all.length === 0 ? 0 : Math.min(...all.map((place) => place.y - heightOf(place) / 2))
  for (const place of all) place.y -= Math.max(first, top)
}

/**
 * The places as near to where they want to be as their order and heights allow: neighbours that would overlap become a block, which
 * stands where its members want to be on average (pool adjacent violators).
 */
function stackAt(places: readonly Place[], wanted: readonly number[]): void {
  type Block = { sum: number; count: number; first: number }
  const blocks: Block[] = []
  const offsets: number[] = []
  let offset = 0
  places.forEach((place, index) => {
    if (index > 0) offset += (heightOf(places[index - 1]!) + heightOf(place)) / 2 + rowGap
    offsets.push(offset)
    let block: Block = { sum: wanted[index]! - offset, count: 1, first: index }
    for (
      let last = blocks.at(-1);
      last !== undefined && last.sum / last.count > block.sum / block.count;
      last = blocks.at(-1)
    ) {
      blocks.pop()
      block = { sum: last.sum + block.sum, count: last.count + block.count, first: last.first }
    }
    blocks.push(block)
  })
  blocks.forEach((block, index) => {
    const end = blocks[index + 1]?.first ?? places.length
    for (let at = block.first; at < end; at++) places[at]!.y = block.sum / block.count + offsets[at]!
  })
}

/** Curves in the gaps between columns, straight through the columns. */
function pathThrough(places: readonly Place[], startX: number): string {
  const round = (value: number) => Math.round(value * 10) / 10
  let x = startX + nodeWidth
  let path = `M${x} ${round(places[0]!.y)}`
  places.slice(1).forEach((place, index) => {
    const from = round(places[index]!.y)
    const to = round(place.y)
    const middle = x + columnGap / 2
    const end = x + columnGap
    path += from === to ? `H${end}` : `C${middle} ${from} ${middle} ${to} ${end} ${to}`
    x = end
    if (place.taskId === undefined) {
      x += nodeWidth
      path += `H${x}`
    }
  })
  return path
}
