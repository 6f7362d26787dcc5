// Which rows of a log are in sight, and where. Rows are of one height unless they are wrapped; a log of any length scrolls.

import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'
import { flushSync } from 'react-dom'
import { RowHeights, rowPx, ScrollScale } from './row-layout.ts'

/** Rows drawn beyond what is in sight. */
const overscan = 20
/** So near to the end one is at it. */
const atEndPx = 30
/** After so long without moving, the scroll bar of a very long log is put where one is. */
const settledMs = 150

type Options = {
  readonly rowCount: number
  readonly isWrapped: boolean
  readonly startsAtEnd: boolean
  /** Heights are of no use any more when it changes. */
  readonly layoutKey: unknown
}

export type ShownRow = { readonly row: number; readonly y: number }

/**
 * Whether one is at the end and stays there: only what a person does leaves the end (wheel, keys, touch, the scroll bar); positions
 * alone would not tell that from lines that came. Scrolling back to the end takes it up again.
 */
export function useRows(
  scroller: RefObject<HTMLElement | null>,
  content: RefObject<HTMLElement | null>,
  options: Options,
) {
  const { rowCount, isWrapped, startsAtEnd, layoutKey } = options
  const heights = useRef(new RowHeights())
  const [top, setTop] = useState(0)
  const [viewPx, setViewPx] = useState(400)
  const [isAtEnd, showAtEnd] = useState(startsAtEnd)
  const [, redraw] = useState(0)
  const stays = useRef(startsAtEnd)
  const scrolled = useRef(0)
  const settling = useRef<ReturnType<typeof setTimeout>>(undefined)
  const lastKey = useRef(layoutKey)
  if (lastKey.current !== layoutKey) {
    lastKey.current = layoutKey
    heights.current.clear()
  }
  const scale = new ScrollScale(heights.current.totalOf(rowCount), viewPx)
  const current = useRef({ scale, top })
  current.current = { scale, top: Math.min(top, scale.maxTop) }

  /** Goes there, with the scroll bar. */
  const moveTo = useCallback(
    (to: number) => {
      const { scale: now } = current.current
      const next = Math.max(0, Math.min(now.maxTop, to))
      current.current.top = next
      setTop(next)
      const element = scroller.current
      if (element === null) return
      element.scrollTop = now.toScrolled(next)
      if (element.scrollTop === scrolled.current) return
      scrolled.current = element.scrollTop
      // What is drawn is drawn beside the scroll bar, also when one is where one was.
      redraw((old) => old + 1)
    },
    [scroller],
  )
  const setAtEnd = useCallback(
    (to: boolean) => {
      stays.current = to
      showAtEnd(to)
      if (to) moveTo(Number.POSITIVE_INFINITY)
    },
    [moveTo],
  )

  useLayoutEffect(() => {
    const element = scroller.current
    if (element === null) return
    const look = () => setViewPx(element.clientHeight)
    look()
    const observer = new ResizeObserver(() => {
      look()
      heights.current.clear()
      redraw((old) => old + 1)
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [scroller])
  // The end moves when lines come, when they are measured, and when the window changes.
  const { totalPx } = scale
  // biome-ignore lint/correctness/useExhaustiveDependencies: what the end depends on
  useLayoutEffect(() => {
    if (stays.current) moveTo(Number.POSITIVE_INFINITY)
  }, [totalPx, viewPx, moveTo])
  useEffect(() => {
    const inner = content.current
    if (inner === null) return
    // The scroll bar goes only as far as the content is high on the page, which may be a moment after it was drawn.
    const observer = new ResizeObserver(() => moveTo(stays.current ? Number.POSITIVE_INFINITY : current.current.top))
    observer.observe(inner)
    return () => {
      observer.disconnect()
      clearTimeout(settling.current)
    }
  }, [content, moveTo])

  const shownTop = current.current.top
  const first = Math.max(0, heights.current.rowAt(shownTop) - overscan)
  const last = Math.min(rowCount - 1, heights.current.rowAt(shownTop + viewPx) + overscan)
  const shift = scale.isScaled ? scrolled.current - shownTop : 0
  const rows: ShownRow[] = []
  for (let row = first; row <= last; row++) rows.push({ row, y: heights.current.topOf(row) + shift })

  const goToRow = useCallback(
    (row: number) => {
      setAtEnd(false)
      const { scale: now } = current.current
      moveTo(heights.current.topOf(row) - Math.max(0, now.viewPx - rowPx) / 2)
    },
    [moveTo, setAtEnd],
  )

  /** Heights of rows that were drawn; what is above and changed moves what is in sight along. */
  const measure = useCallback((drawn: readonly { readonly row: number; readonly heightPx: number }[]) => {
    let changed = false
    let above = 0
    for (const { row, heightPx } of drawn) {
      const isAbove = heights.current.topOf(row) < current.current.top
      const change = heights.current.set(row, heightPx)
      if (change === 0) continue
      changed = true
      if (isAbove) above += change
    }
    if (!changed) return
    if (above !== 0 && !stays.current) setTop((old) => old + above)
    redraw((old) => old + 1)
  }, [])
  // What was moved along by measuring is where the scroll bar has to be.
  useLayoutEffect(() => {
    const element = scroller.current
    if (element === null || !isWrapped || scale.isScaled) return
    if (Math.abs(element.scrollTop - current.current.top) > 1) {
      element.scrollTop = current.current.top
      scrolled.current = element.scrollTop
    }
  })

  const leave = () => {
    if (stays.current) setAtEnd(false)
  }
  const onScroll = () => {
    const element = scroller.current
    if (element === null) return
    const from = scrolled.current
    const to = element.scrollTop
    if (to === from) return
    scrolled.current = to
    const { scale: now, top: before } = current.current
    const next = now.topAfter({ from, to, top: before })
    current.current.top = next
    setTop(next)
    if (to > from && now.maxTop - next < atEndPx) {
      stays.current = true
      showAtEnd(true)
    }
    if (!now.isScaled) return
    clearTimeout(settling.current)
    const most = now.scrolledPx - now.viewPx
    const isStuck = (to <= 0 && next > 0) || (to >= most - 1 && next < now.maxTop)
    if (isStuck) moveTo(next)
    // In one: between the bar and the lines nothing may be painted.
    else settling.current = setTimeout(() => flushSync(() => moveTo(current.current.top)), settledMs)
  }
  return {
    rows,
    scrolledPx: scale.scrolledPx,
    isAtEnd,
    setAtEnd,
    goToRow,
    measure,
    handlers: {
      onScroll,
      onWheel: (event: React.WheelEvent) => {
        if (event.deltaY < 0) leave()
      },
      onTouchMove: leave,
      onKeyDown: (event: React.KeyboardEvent) => {
        if (['ArrowUp', 'PageUp', 'Home'].includes(event.key)) leave()
      },
      onPointerDown: (event: React.PointerEvent) => {
        if (event.target === scroller.current) leave()
      },
    },
  }
}
