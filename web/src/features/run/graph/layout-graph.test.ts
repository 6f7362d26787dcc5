import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { directionFor, type GraphTask, layoutGraph, nodeHeight, nodeWidths } from './layout-graph.ts'

function graph(depends: Readonly<Record<string, readonly string[]>>): GraphTask[] {
  const level = (id: string): number => Math.max(-1, ...depends[id]!.map(level)) + 1
  return Object.keys(depends).map((id) => ({ id, level: level(id), depends: depends[id]! }))
}
const placed = (tasks: readonly GraphTask[]) => new Map(layoutGraph(tasks).tasks.map((task) => [task.id, task]))

test('a chain is a straight line from left to right', () => {
  const at = placed(graph({ a: [], b: ['a'], c: ['b'] }))
  expect([...at.values()].map(({ y }) => y)).toEqual([0, 0, 0])
  expect(at.get('c')!.x).toBeGreaterThan(at.get('b')!.x + nodeWidths.right)
})

test('a task stands in the middle of those it depends on', () => {
  const at = placed(graph({ a: [], b: [], c: [], end: ['a', 'b', 'c'] }))
  expect(at.get('end')!.y).toBeCloseTo(at.get('b')!.y)
})

test('two chains do not cross', () => {
  const at = placed(graph({ a1: [], b1: [], b2: ['b1'], a2: ['a1'] }))
  expect(at.get('a1')!.y < at.get('b1')!.y).toBe(at.get('a2')!.y < at.get('b2')!.y)
})

test('a line past a column keeps clear of the tasks in it', () => {
  const tasks = graph({ a: [], b: ['a'], c: ['b', 'a'] })
  const layout = layoutGraph(tasks)
  const b = layout.tasks.find(({ id }) => id === 'b')!
  const long = layout.edges.find(({ from, to }) => from === 'a' && to === 'c')!
  const through = /H(\d+)/.exec(long.path)
  expect(through).not.toBeNull()
  const y = Number(/ ([\d.]+)H/.exec(long.path)![1])
  expect(y < b.y || y > b.y + nodeHeight).toBe(true)
})

test('dependencies that are not shown are left out, and nothing is an empty picture', () => {
  expect(layoutGraph([{ id: 'a', level: 0, depends: ['gone'] }]).edges).toEqual([])
  expect(layoutGraph([])).toEqual({ tasks: [], edges: [], width: 0, height: 0 })
})

const arbitraryGraph = fc
  .array(fc.array(fc.nat(1000), { maxLength: 4 }), { minLength: 1, maxLength: 60 })
  .map((choices) =>
    graph(
      Object.fromEntries(
        choices.map((chosen, index) => [
          `t${index}`,
          index === 0 ? [] : [...new Set(chosen.map((n) => `t${n % index}`))],
        ]),
      ),
    ),
  )

test('tasks never overlap, lie within the picture, and every dependency has a line', () => {
  fc.assert(
    fc.property(arbitraryGraph, (tasks) => {
      const { tasks: at, edges, width, height } = layoutGraph(tasks)
      expect(at).toHaveLength(tasks.length)
      expect(edges).toHaveLength(tasks.reduce((sum, { depends }) => sum + depends.length, 0))
      for (const { x, y } of at) {
        expect(x).toBeGreaterThanOrEqual(0)
        expect(y).toBeGreaterThanOrEqual(-0.001)
        expect(x + nodeWidths.right).toBeLessThanOrEqual(width + 0.001)
        expect(y + nodeHeight).toBeLessThanOrEqual(height + 0.001)
      }
      for (const one of at)
        for (const other of at)
          if (one !== other && one.x === other.x)
            expect(Math.abs(one.y - other.y)).toBeGreaterThanOrEqual(nodeHeight - 0.001)
    }),
    { numRuns: 60 },
  )
})

test('200 tasks with many edges are laid out, each once', () => {
  const wide = graph({
    prepare: [],
    ...Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`test${i}`, ['prepare']])),
    ...Object.fromEntries(Array.from({ length: 48 }, (_, i) => [`pack${i}`, [`test${i}`, `test${i * 3}`]])),
    end: Array.from({ length: 48 }, (_, i) => `pack${i}`),
  })
  const { tasks, width, height } = layoutGraph(wide)
  expect(tasks).toHaveLength(200)
  expect(new Set(tasks.map(({ x, y }) => `${x} ${y}`)).size).toBe(200)
  // As wide as frames are, so that it is large when all of it is shown.
  expect(width / height).toBeGreaterThan(1)
  expect(width / height).toBeLessThan(4)
})

test('a level of few tasks is one column, one of many is wrapped, in the order of the first', () => {
  const level = (count: number) =>
    layoutGraph(graph(Object.fromEntries(Array.from({ length: count }, (_, i) => [`t${i}`, []])))).tasks
  expect(new Set(level(16).map(({ x }) => x)).size).toBe(1)
  const many = level(60)
  expect(new Set(many.map(({ x }) => x)).size).toBeGreaterThan(3)
  expect(many.toSorted((a, b) => a.x - b.x || a.y - b.y).map(({ id }) => id)).toEqual(many.map(({ id }) => id))
})

test('lines of a wrapped level begin and end at their tasks', () => {
  const names = Array.from({ length: 60 }, (_, i) => `t${i}`)
  const tasks = graph({ a: [], ...Object.fromEntries(names.map((name) => [name, ['a']])), end: names })
  const layout = layoutGraph(tasks)
  const at = new Map(layout.tasks.map((task) => [task.id, task]))
  for (const { from, to, path } of layout.edges) {
    const [startX, startY] = /^M([\d.]+) ([\d.]+)/.exec(path)!.slice(1).map(Number)
    expect(startX).toBeCloseTo(at.get(from)!.x + nodeWidths.right)
    expect(startY).toBeCloseTo(at.get(from)!.y + nodeHeight / 2, 0)
    expect(Number(/([\d.]+)(?: [\d.]+)?$/.exec(path)![1])).toBeCloseTo(at.get(to)!.x)
  }
})

test('going down is going right, turned', () => {
  const tasks = [
    { id: 'a', level: 0, depends: [] },
    { id: 'b', level: 1, depends: ['a'] },
    { id: 'c', level: 2, depends: ['a', 'b'] },
  ]
  const { tasks: placed, width, height, edges } = layoutGraph(tasks, 'down')
  const yOf = (id: string) => placed.find((task) => task.id === id)!.y
  expect(yOf('a')).toBeLessThan(yOf('b'))
  expect(yOf('b')).toBeLessThan(yOf('c'))
  expect(height).toBe(yOf('c') + nodeHeight)
  expect(width).toBeLessThan(nodeWidths.down * 2)
  expect(edges).toHaveLength(3)
})

test.each([
  [342, 3, 'down'],
  [342, 4, 'right'],
  [900, 2, 'right'],
])('in a frame of %i px a level of %i tasks goes %s', (width, count, direction) => {
  expect(
    directionFor(
      Array.from({ length: count }, () => ({ level: 0 })),
      width,
    ),
  ).toBe(direction)
})
