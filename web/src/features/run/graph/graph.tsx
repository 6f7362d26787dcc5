// The picture of a run: tasks by level, lines from each to those that depend on it. Drag or arrow keys move it, wheel with Ctrl or the
// buttons zoom; it fits itself when it is opened. Boxes are links, in the order of the levels, so Tab goes through them.

import './graph.css'
import { useNavigate } from '@tanstack/react-router'
import { memo, type PointerEvent, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import type { Run, TaskSummary } from '../../../api/types.ts'
import { addressOfPath } from '../../../app/project-address.ts'
import { Button } from '../../../ui/button.tsx'
import { useNow } from '../../../ui/now.ts'
import { StateShape } from '../../../ui/state-mark.tsx'
import { durationText } from '../../../ui/time-text.ts'
import type { OwnerRef } from '../../runs/run-link.tsx'
import { durationOf, isLive, type ShownState, stateOfTask, stateWords } from '../../runs/run-state.ts'
import { collapseFinished, type GraphItem } from './collapse-finished.ts'
import { cutText } from './cut-text.ts'
import { directionFor, type GraphDirection, layoutGraph, nodeHeight, nodeWidths } from './layout-graph.ts'

const margin = 24
const scaleMin = 0.12
const scaleMax = 2
/** Larger runs begin with what is finished collapsed. */
const collapsedFrom = 60
const heightMaxPx = 640
const heightMinPx = 160

type View = { readonly x: number; readonly y: number; readonly scale: number }

export function Graph({ run, owner }: { readonly run: Run; readonly owner: OwnerRef }) {
  const [isCollapsed, setCollapsed] = useState(run.tasks.length >= collapsedFrom)
  const byId = useMemo(() => new Map(run.tasks.map((task) => [task.id, task])), [run.tasks])
  const items = useItems(run, isCollapsed)
  const frame = useRef<HTMLDivElement>(null)
  const frameWidth = useWidth(frame)
  const direction = directionFor(items, frameWidth)
  // Places depend on the shape of the graph only: a state that changes moves nothing.
  const shape = JSON.stringify(items)
  // biome-ignore lint/correctness/useExhaustiveDependencies: `shape` is all of `items` that matters
  const layout = useMemo(() => layoutGraph(items, direction), [shape, direction])
  const itemOf = new Map(items.map((item) => [item.id, item]))
  const [lit, setLit] = useState<string>()
  const open = useOpenTask(run, owner)
  const width = frameWidth
  const { view, height, isFitted, moveBy, zoomBy, fitAll, onPointerDown, onPointerMove, hasMoved } = useView(
    frame,
    layout,
    width,
  )

  const onKey = (event: React.KeyboardEvent) => {
    const step = 60
    const moves: Readonly<Record<string, readonly [number, number]>> = {
      ArrowLeft: [step, 0],
      ArrowRight: [-step, 0],
      ArrowUp: [0, step],
      ArrowDown: [0, -step],
    }
    const move = moves[event.key]
    if (move !== undefined) moveBy(...move)
    else if (event.key === '+' || event.key === '=') zoomBy(1.25)
    else if (event.key === '-') zoomBy(0.8)
    else if (event.key === '0') fitAll()
    else return
    event.preventDefault()
  }
  return (
    <div
      className="graph"
      ref={frame}
      {...(isFitted ? {} : { 'data-moved': '' })}
      {...(run.tasks.length < collapsedFrom ? {} : { 'data-many': '' })}
    >
      <div className="graph-tools">
        {run.tasks.length > 3 ? (
          <Button size="small" aria-pressed={isCollapsed} onClick={() => setCollapsed(!isCollapsed)}>
            Collapse finished
          </Button>
        ) : null}
        <Button size="small" icon="minus" aria-label="Zoom out" onClick={() => zoomBy(0.8)} />
        <Button size="small" icon="plus" aria-label="Zoom in" onClick={() => zoomBy(1.25)} />
        <Button size="small" icon="fit" aria-label="Fit into view" onClick={fitAll} />
      </div>
      <svg
        className="picture"
        height={height}
        viewBox={`0 0 ${width} ${height}`}
        role="group"
        aria-label={`Graph of ${run.tasks.length} tasks`}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onKeyDown={onKey}
      >
        <g transform={`translate(${view.x} ${view.y}) scale(${view.scale})`}>
          <Edges edges={layout.edges} lit={lit} />
          {layout.tasks.map(({ id, x, y }) => {
            const item = itemOf.get(id)
            const task = byId.get(id)
            const common = { id, x, y, direction, onLit: setLit }
            if (item?.members !== undefined)
              return (
                <Node
                  key={id}
                  {...common}
                  name={`${item.members.length} done`}
                  sub="show them"
                  state="success"
                  onOpen={() => !hasMoved() && setCollapsed(false)}
                />
              )
            return task === undefined ? null : (
              <TaskNode key={id} {...common} task={task} onOpen={() => !hasMoved() && open(id)} />
            )
          })}
        </g>
      </svg>
    </div>
  )
}

function useItems(run: Run, isCollapsed: boolean): readonly GraphItem[] {
  // What finishes while one looks stays where it is: a picture that rearranges itself all the time cannot be read.
  const isRunning = isLive(run)
  // biome-ignore lint/correctness/useExhaustiveDependencies: as things stood when it was collapsed, or the run ended
  const states = useMemo(
    () => new Map(run.tasks.map((task) => [task.id, stateOfTask(task)])),
    [run.id, isCollapsed, isRunning],
  )
  return useMemo(() => {
    const tasks = run.tasks.map(({ id, level, depends }) => ({
      id,
      level,
      depends: depends.map(({ taskId }) => taskId),
    }))
    return isCollapsed ? collapseFinished(tasks, (id) => states.get(id) ?? 'notstarted') : tasks
  }, [run.tasks, states, isCollapsed])
}

function useOpenTask(run: Run, owner: OwnerRef): (taskId: string) => void {
  const navigate = useNavigate()
  const number = String(run.number)
  return useCallback(
    (task: string) => {
      const search = { step: undefined }
      if (owner.type === 'project')
        void navigate({
          to: '/projects/$project/runs/$number/tasks/$task',
          params: { project: addressOfPath(owner.ref), number, task },
          search,
        })
      else
        void navigate({
          to: '/users/$user/runs/$number/tasks/$task',
          params: { user: owner.ref, number, task },
          search,
        })
    },
    [navigate, owner.type, owner.ref, number],
  )
}

function useWidth(frame: React.RefObject<HTMLDivElement | null>): number {
  const [width, setWidth] = useState(800)
  useLayoutEffect(() => {
    const element = frame.current
    if (element === null) return
    setWidth(element.clientWidth)
    const observer = new ResizeObserver(() => setWidth(element.clientWidth))
    observer.observe(element)
    return () => observer.disconnect()
  }, [frame])
  return width
}

function useView(
  frame: React.RefObject<HTMLDivElement | null>,
  layout: { readonly width: number; readonly height: number },
  width: number,
) {
  const [view, setView] = useState<View>({ x: margin, y: margin, scale: 1 })
  const drag = useRef<{ x: number; y: number; moved: number } | undefined>(undefined)
  const fitted = fitOf(layout, width)
  const height = fitted.height
  const fitAll = useCallback(() => setView(fitOf(layout, width).view), [layout, width])

  useLayoutEffect(fitAll, [fitAll])

  const zoomAt = useCallback((factor: number, at: { x: number; y: number }) => {
    setView((old) => {
      const scale = Math.min(scaleMax, Math.max(scaleMin, old.scale * factor))
      const ratio = scale / old.scale
      return { scale, x: at.x - (at.x - old.x) * ratio, y: at.y - (at.y - old.y) * ratio }
    })
  }, [])
  useEffect(() => {
    const element = frame.current
    if (element === null) return
    // Without Ctrl the wheel scrolls the page, as everywhere. React's own listener could not prevent the browser's zoom.
    const onWheel = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.metaKey) return
      event.preventDefault()
      const box = element.getBoundingClientRect()
      zoomAt(Math.exp(-event.deltaY / 300), { x: event.clientX - box.left, y: event.clientY - box.top })
    }
    element.addEventListener('wheel', onWheel, { passive: false })
    return () => element.removeEventListener('wheel', onWheel)
  }, [frame, zoomAt])

  return {
    view,
    height,
    /** All that fits is seen. */
    isFitted: view.scale <= fitted.view.scale,
    fitAll,
    zoomBy: (factor: number) => zoomAt(factor, { x: width / 2, y: height / 2 }),
    moveBy: (dx: number, dy: number) => setView((old) => ({ ...old, x: old.x + dx, y: old.y + dy })),
    /** Whether what ends now was a drag, not a click. */
    hasMoved: () => (drag.current?.moved ?? 0) > 4,
    onPointerDown: (event: PointerEvent) => {
      drag.current = { x: event.clientX, y: event.clientY, moved: 0 }
    },
    onPointerMove: (event: PointerEvent) => {
      const from = drag.current
      if (from === undefined || event.buttons === 0) return
      const [dx, dy] = [event.clientX - from.x, event.clientY - from.y]
      drag.current = { x: event.clientX, y: event.clientY, moved: from.moved + Math.abs(dx) + Math.abs(dy) }
      setView((old) => ({ ...old, x: old.x + dx, y: old.y + dy }))
    },
  }
}

/** All of it if it stays readable, else its beginning at a size one can read. */
function fitOf(
  layout: { readonly width: number; readonly height: number },
  width: number,
): { readonly view: View; readonly height: number } {
  const byWidth = (width - 2 * margin) / Math.max(layout.width, 1)
  const byHeight = (heightMaxPx - 2 * margin) / Math.max(layout.height, 1)
  const scale = Math.max(scaleMin, Math.min(1, byWidth, byHeight))
  const height = Math.max(heightMinPx, Math.min(heightMaxPx, layout.height * scale + 2 * margin))
  return {
    height,
    view: {
      scale,
      x: Math.max(margin, (width - layout.width * scale) / 2),
      y: Math.max(margin, (height - layout.height * scale) / 2),
    },
  }
}

const Edges = memo(function Edges({
  edges,
  lit,
}: {
  readonly edges: readonly { from: string; to: string; path: string }[]
  readonly lit: string | undefined
}) {
  return (
    <g>
      {edges.map(({ from, to, path }) => (
        <path
          key={`${from} ${to}`}
          className="edge"
          d={path}
          {...(from === lit || to === lit ? { 'data-lit': '' } : {})}
        />
      ))}
    </g>
  )
})

type NodeProps = {
  readonly id: string
  readonly x: number
  readonly y: number
  readonly direction: GraphDirection
  readonly onLit: (id: string | undefined) => void
  readonly onOpen: () => void
}

const TaskNode = memo(
  function TaskNode({ task, ...node }: NodeProps & { readonly task: TaskSummary }) {
    const state = stateOfTask(task)
    const now = useNow(task.startedAt !== undefined && task.endedAt === undefined)
    const ms = durationOf(task, now)
    const sub = ms === undefined ? (task.reason?.message ?? stateWords[state]) : durationText(ms)
    return (
      <Node
        {...node}
        name={task.name}
        sub={state === 'failed' && task.reason !== undefined ? `${sub} · ${task.reason.message}` : sub}
        state={state}
      />
    )
  },
  (before, after) =>
    before.task === after.task && before.x === after.x && before.y === after.y && before.direction === after.direction,
)

const textLeft = 38
const nameFont = [560, 13] as const
const subFont = [400, 11.5] as const

function Node({
  id,
  x,
  y,
  direction,
  name,
  sub,
  state,
  onLit,
  onOpen,
}: NodeProps & { readonly name: string; readonly sub: string; readonly state: ShownState }) {
  const textWidth = nodeWidths[direction] - textLeft - 8
  const shownName = useMemo(() => cutText(name, textWidth, ...nameFont), [name, textWidth])
  const shownSub = useMemo(() => cutText(sub, textWidth, ...subFont), [sub, textWidth])
  return (
    <g
      className="node"
      data-state={state}
      transform={`translate(${x} ${y})`}
      role="link"
      tabIndex={0}
      aria-label={`${shownName} ${shownSub} ${stateWords[state]}`}
      onClick={onOpen}
      onKeyDown={(event) => {
        if (event.key === 'Enter') onOpen()
      }}
      onPointerEnter={() => onLit(id)}
      onPointerLeave={() => onLit(undefined)}
      onFocus={() => onLit(id)}
      onBlur={() => onLit(undefined)}
    >
      <title>{`${name} ${sub} ${stateWords[state]}`}</title>
      <rect width={nodeWidths[direction]} height={nodeHeight} rx={5} />
      <g transform={`translate(12 ${nodeHeight / 2 - 8})`}>
        <StateShape state={state} />
      </g>
      <text x={textLeft} y={20}>
        {`${shownName} `}
      </text>
      <text x={textLeft} y={36} className="sub">
        {shownSub}
      </text>
    </g>
  )
}
