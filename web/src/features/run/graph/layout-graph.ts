// Where the tasks of a run stand in the picture: a column for each level, rows so that lines are short and cross little. Lines that
// pass columns go through places of their own there, so they never run behind a task. Pure: tasks in, coordinates out. Where it goes
// down instead of right, columns are rows and x is y, which is all done at the end.

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

/** Which way it goes: to the right, or down where there is little width. */
export type GraphDirection = 'right' | 'down'

export const nodeHeight = 46
export const nodeWidths: Readonly<Record<GraphDirection, number>> = { right: 208, down: 148 }

/** Along the way from level to level, and across it. */
type Sizes = {
  readonly along: number
  readonly across: number
  readonly alongGap: number
  readonly acrossGap: number
}
const sizesOf: Readonly<Record<GraphDirection, Sizes>> = {
  right: { along: nodeWidths.right, across: nodeHeight, alongGap: 64, acrossGap: 14 },
  down: { along: nodeHeight, across: nodeWidths.down, alongGap: 34, acrossGap: 10 },
}
/** What a passing line takes of a level. */
const laneSize = 10
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

export function layoutGraph(tasks: readonly GraphTask[], direction: GraphDirection = 'right'): GraphLayout {
  const sizes = sizesOf[direction]
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
  placeRows(columns, sizes)

  const across = Math.max(0, ...columns.flat().map((place) => place.y + heightOf(place, sizes) / 2))
  const x = (level: number) => level * (sizes.along + sizes.alongGap)
  const along = columns.length === 0 ? 0 : x(columns.length - 1) + sizes.along
  const turned = (a: number, b: number) => (direction === 'right' ? { x: a, y: b } : { x: b, y: a })
  return {
    tasks: columns.flatMap((places, level) =>
      places.flatMap(({ taskId, y }) =>
        taskId === undefined ? [] : [{ id: taskId, ...turned(x(level), y - sizes.across / 2) }],
      ),
    ),
    edges: chains.map(({ from, to, places }) => ({
      from,
      to,
      path: pathThrough(places, x(levelOf.get(from)!), { sizes, direction }),
    })),
    width: direction === 'right' ? along : across,
    height: direction === 'right' ? across : along,
  }
}

function heightOf({ taskId }: Place, { across }: Sizes): number {
  return taskId === undefined ? laneSize : across
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
function placeRows(columns: readonly Place[][], sizes: Sizes): void {
  for (const places of columns)
    stackAt(
      places,
      places.map((place) => place.order * (sizes.across + sizes.acrossGap)),
      sizes,
    )
  const pull = (places: Place[], neighbours: (place: Place) => readonly Place[]) =>
    stackAt(
      places,
      places.map((place) => {
        const near = neighbours(place)
        return near.length === 0 ? place.y : near.reduce((sum, { y }) => sum + y, 0) / near.length
      }),
      sizes,
    )
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (const places of columns.slice(1)) pull(places, (place) => place.before)
    for (const places of columns.slice(0, -1).reverse()) pull(places, (place) => place.after)
  }
  const top = Math.min(0, ...columns.flat().map((place) => place.y - heightOf(place, sizes) / 2))
  const all = columns.flat()
  const first = all.length === 0 ? 0 : Math.min(...all.map((place) => place.y - heightOf(place, sizes) / 2))
  for (const place of all) place.y -= Math.max(first, top)
}

/**
 * The places as near to where they want to be as their order and heights allow: neighbours that would overlap become a block, which
 * stands where its members want to be on average (pool adjacent violators).
 */
function stackAt(places: readonly Place[], wanted: readonly number[], sizes: Sizes): void {
  type Block = { sum: number; count: number; first: number }
  const blocks: Block[] = []
  const offsets: number[] = []
  let offset = 0
  places.forEach((place, index) => {
    if (index > 0) offset += (heightOf(places[index - 1]!, sizes) + heightOf(place, sizes)) / 2 + sizes.acrossGap
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

/** Curves in the gaps between levels, straight through the levels. */
function pathThrough(
  places: readonly Place[],
  startX: number,
  { sizes, direction }: { readonly sizes: Sizes; readonly direction: GraphDirection },
): string {
  const round = (value: number) => Math.round(value * 10) / 10
  const at = (along: number, across: number) => (direction === 'right' ? `${along} ${across}` : `${across} ${along}`)
  const straight = direction === 'right' ? 'H' : 'V'
  let x = startX + sizes.along
  let path = `M${at(x, round(places[0]!.y))}`
  places.slice(1).forEach((place, index) => {
    const from = round(places[index]!.y)
    const to = round(place.y)
    const middle = x + sizes.alongGap / 2
    const end = x + sizes.alongGap
    path += from === to ? `${straight}${end}` : `C${at(middle, from)} ${at(middle, to)} ${at(end, to)}`
    x = end
    if (place.taskId === undefined) {
      x += sizes.along
      path += `${straight}${x}`
    }
  })
  return path
}

/** Levels with more tasks are wider than a phone, whichever way they go. */
const narrowLevelMax = 3

/** Down where the frame is narrow and no level is wide. */
export function directionFor(tasks: readonly Pick<GraphTask, 'level'>[], frameWidth: number): GraphDirection {
  const counts = new Map<number, number>()
  for (const { level } of tasks) counts.set(level, (counts.get(level) ?? 0) + 1)
  return frameWidth < 560 && Math.max(0, ...counts.values()) <= narrowLevelMax ? 'down' : 'right'
}
