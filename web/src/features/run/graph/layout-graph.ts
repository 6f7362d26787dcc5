// Where the tasks of a run stand in the picture: a column for each level, rows so that lines are short and cross little. Lines that
// pass columns go through places of their own there, so they never run behind a task. Pure: tasks in, coordinates out. Where it goes
// down instead of right, columns are rows and x is y, which is all done at the end. Levels of many tasks are wrapped, as words are
// into lines: a column of a hundred is a picture in which nothing can be read.

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
/** Between the columns of a level that is wrapped: its lines turn there. */
const wrappedGap = 28
/** Width to height of the frames it is shown in. */
const frameRatio = 1180 / 640
/** As large as this it can be read. */
const readableScale = 0.6
const frameHeightPx = 640
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
  /** From where its level begins. */
  shift: number
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
    const place: Place = { key, taskId, before: [], after: [], order: 0, y: 0, shift: 0 }
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
  const rows = direction === 'right' ? rowsWorthWrapping(columns, sizes) : undefined
  const widths = rows === undefined ? columns.map(() => sizes.along) : wrap(columns, rows, sizes)

  const across = Math.max(0, ...columns.flat().map((place) => place.y + heightOf(place, sizes) / 2))
  const levels = levelsAt(widths, sizes)
  const along = levels.at(-1)?.end ?? 0
  const turned = (a: number, b: number) => (direction === 'right' ? { x: a, y: b } : { x: b, y: a })
  return {
    tasks: columns.flatMap((places, level) =>
      places.flatMap(({ taskId, y, shift }) =>
        taskId === undefined ? [] : [{ id: taskId, ...turned(levels[level]!.begin + shift, y - sizes.across / 2) }],
      ),
    ),
    edges: chains.map(({ from, to, places }) => ({
      from,
      to,
      path: pathThrough(places, levels.slice(levelOf.get(from)!), { sizes, direction }),
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

/** Of how many rows a wrapped level has most, so that the picture is largest; undefined where it can be read as it is. */
function rowsWorthWrapping(columns: readonly Place[][], sizes: Sizes): number | undefined {
  const counts = columns.map((places) => places.filter(({ taskId }) => taskId !== undefined).length)
  const most = Math.max(0, ...counts)
  const sizeWith = (rows: number) => {
    const width = counts.reduce((sum, count) => sum + widthOf(count, rows, sizes) + sizes.alongGap, 0)
    const height = Math.min(most, rows) * (sizes.across + sizes.acrossGap)
    return Math.max(width / frameRatio, height)
  }
  if (frameHeightPx / sizeWith(most) >= readableScale) return undefined
  let best = most
  for (let rows = 4; rows < most; rows++) if (sizeWith(rows) < sizeWith(best)) best = rows
  return best === most ? undefined : best
}

function widthOf(count: number, rows: number, { along }: Sizes): number {
  const wide = Math.max(1, Math.ceil(count / rows))
  return wide * along + (wide - 1) * wrappedGap
}

/** In their order, row by row from the top of each column; lines that pass go below. Answers the widths of the levels. */
function wrap(columns: readonly Place[][], rows: number, sizes: Sizes): number[] {
  const pitch = sizes.across + sizes.acrossGap
  const heights = columns.map((places) => {
    const tasks = places.filter(({ taskId }) => taskId !== undefined)
    const inColumn = Math.ceil(tasks.length / Math.max(1, Math.ceil(tasks.length / rows)))
    tasks.forEach((place, index) => {
      place.shift = Math.floor(index / inColumn) * (sizes.along + wrappedGap)
      place.y = (index % inColumn) * pitch + pitch / 2
    })
    let bottom = inColumn * pitch
    for (const place of places) {
      if (place.taskId !== undefined) continue
      place.y = bottom + laneSize / 2
      bottom += laneSize
    }
    return bottom
  })
  const height = Math.max(0, ...heights)
  columns.forEach((places, level) => {
    for (const place of places) place.y += (height - heights[level]!) / 2
  })
  return columns.map((places) => widthOf(places.filter(({ taskId }) => taskId !== undefined).length, rows, sizes))
}

type Level = { readonly begin: number; readonly end: number }

function levelsAt(widths: readonly number[], { alongGap }: Sizes): readonly Level[] {
  let begin = 0
  return widths.map((width) => {
    const level = { begin, end: begin + width }
    begin = level.end + alongGap
    return level
  })
}

/** Curves in the gaps between levels, straight through the levels; in one that is wrapped between its rows. `levels`: from its first. */
function pathThrough(
  places: readonly Place[],
  levels: readonly Level[],
  { sizes, direction }: { readonly sizes: Sizes; readonly direction: GraphDirection },
): string {
  const round = (value: number) => Math.round(value * 10) / 10
  const at = (along: number, across: number) => (direction === 'right' ? `${along} ${across}` : `${across} ${along}`)
  const straight = direction === 'right' ? 'H' : 'V'
  const betweenRows = (sizes.across + sizes.acrossGap) / 2
  const [first, ...others] = places
  let x = levels[0]!.begin + first!.shift + sizes.along
  let y = round(first!.y)
  let path = `M${at(x, y)}`
  const goTo = (toX: number, to: number) => {
    const middle = (x + toX) / 2
    path += y === to ? `${straight}${toX}` : `C${at(middle, y)} ${at(middle, to)} ${at(toX, to)}`
    x = toX
    y = to
  }
  if (x < levels[0]!.end) {
    goTo(x + wrappedGap, round(first!.y + betweenRows))
    goTo(levels[0]!.end, y)
  }
  others.forEach((place, index) => {
    const level = levels[index + 1]!
    if (place.shift === 0) goTo(level.begin, round(place.y))
    else {
      goTo(level.begin, round(place.y - betweenRows))
      goTo(level.begin + place.shift - wrappedGap, y)
      goTo(level.begin + place.shift, round(place.y))
    }
    if (place.taskId === undefined) goTo(level.end, y)
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
