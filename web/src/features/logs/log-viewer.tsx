// One log. Only the lines in sight are drawn; it stays with the end of a log that grows until one scrolls up.

import './logs.css'
import { useVirtualizer } from '@tanstack/react-virtual'
import { type MouseEvent, memo, useEffect, useMemo, useRef, useState } from 'react'
import { addressOf } from '../../../../src/contract/client.ts'
import { routes } from '../../../../src/contract/routes.ts'
import { Button } from '../../ui/button.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Loading, Problem, Stale } from '../../ui/load-state.tsx'
import { type LineRange, type LogLines, parseRange, rangeText } from './log-lines.ts'
import type { Span, Style } from './terminal-text.ts'
import { isNoLog, useLog } from './use-log.ts'

const lineHeightPx = 20
/** So near to the end one is at it. */
const atEndPx = 30
/** Lines searched before the page gets to draw again. */
const searchedAtOnce = 20_000
/** Of one line; more is in the download. */
const shownCharactersMax = 5000

type Props = {
  readonly runId: string
  readonly taskId: string
  readonly log: string
  readonly label: string
  /** As the address has it: `12-20`. */
  readonly lines: string | undefined
  readonly onLines: (lines: string | undefined) => void
  readonly addressOfLines: (lines: string) => string
}

export function LogViewer({ runId, taskId, log, label, lines: chosenText, onLines, addressOfLines }: Props) {
  const { lines, revision, isComplete, connection, error } = useLog(runId, taskId, log)
  const [isWrapped, setWrapped] = useState(false)
  const chosen = parseRange(chosenText)
  const scroller = useRef<HTMLDivElement>(null)
  const count = lines.count
  const rows = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => lineHeightPx,
    overscan: 30,
  })
  const { content, isAtEnd, setAtEnd, handlers } = useTail(scroller, chosen === undefined)
  const goTo = (index: number) => {
    setAtEnd(false)
    rows.scrollToIndex(index, { align: 'center' })
  }
  const search = useSearch(lines, { revision, goTo })
  useChosenOnce(chosen, count, goTo)
  const [wantsError, setWantsError] = useState(false)
  // biome-ignore lint/correctness/useExhaustiveDependencies: `revision` says that lines came
  useEffect(() => {
    if (!wantsError) return
    const at = lines.findError()
    if (at !== undefined) goTo(at)
    if (at !== undefined || isComplete) setWantsError(false)
  }, [wantsError, revision, isComplete])

  if (isNoLog(error))
    return <div className="panel log-note">There is no log: the step was never begun, or its log was removed.</div>
  if (error !== undefined) return <Problem error={error} title="Cannot show the log" />
  const choose = (event: MouseEvent, line: number) => {
    event.preventDefault()
    onLines(
      rangeText(
        event.shiftKey && chosen !== undefined
          ? { first: Math.min(chosen.first, line), last: Math.max(chosen.first, line) }
          : { first: line, last: line },
      ),
    )
  }
  return (
    <div className="log" {...(isWrapped ? { 'data-wrap': '' } : {})}>
      <div className="log-tools">
        <input
          className="input"
          type="search"
          placeholder="Search the log"
          aria-label="Search the log"
          value={search.text}
          onChange={({ target }) => search.setText(target.value)}
          onKeyDown={search.onKey}
        />
        <span className="count" role="status">
          {search.text === ''
            ? `${count.toLocaleString('en')} lines`
            : search.isSearching
              ? 'searching…'
              : `${search.found.length === 0 ? 0 : search.current + 1} of ${search.found.length}`}
        </span>
        <Button
          size="small"
          icon="up"
          aria-label="Previous match"
          disabled={search.found.length === 0}
          onClick={() => search.step(-1)}
        />
        <Button
          size="small"
          icon="down"
          aria-label="Next match"
          disabled={search.found.length === 0}
          onClick={() => search.step(1)}
        />
        <span className="grow" />
        <Button size="small" onClick={() => setWantsError(true)}>
          First error
        </Button>
        <Button size="small" aria-pressed={isWrapped} onClick={() => setWrapped(!isWrapped)}>
          Wrap
        </Button>
        <Button size="small" aria-pressed={isAtEnd && !isComplete} onClick={() => setAtEnd(true)}>
          {isComplete ? 'End' : 'Follow'}
        </Button>
        <a
          className="button"
          data-size="small"
          href={addressOf(routes.readLog, { params: { runId, taskId, log }, query: { download: true } })}
          download
        >
          <Icon name="download" /> Download
        </a>
      </div>
      {connection === 'lost' && !isComplete ? (
        <Stale>The connection is lost. The log goes on where it was, by itself.</Stale>
      ) : null}
      <section className="log-scroll" ref={scroller} tabIndex={0} aria-label={label} {...handlers}>
        {count === 0 ? (
          isComplete ? (
            <p className="log-note">The step wrote nothing.</p>
          ) : (
            <Loading what="the log" lines={6} />
          )
        ) : null}
        <div ref={content} style={{ height: rows.getTotalSize(), position: 'relative' }}>
          {rows.getVirtualItems().map(({ index, start }) => {
            const line = index + 1
            const isChosen = chosen !== undefined && line >= chosen.first && line <= chosen.last
            return (
              <div
                key={index}
                className="log-line"
                data-index={index}
                ref={isWrapped ? rows.measureElement : undefined}
                style={{ transform: `translateY(${start}px)` }}
                {...(isChosen ? { 'data-chosen': '' } : {})}
                {...(search.isFound(index) ? { 'data-found': '' } : {})}
                {...(search.found[search.current] === index ? { 'data-current': '' } : {})}
              >
                <a
                  href={addressOfLines(String(line))}
                  aria-label={`Link to line ${line}`}
                  tabIndex={-1}
                  onClick={(event) => choose(event, line)}
                >
                  {line}
                </a>
                <Line lines={lines} index={index} raw={lines.raw(index)} />
              </div>
            )
          })}
        </div>
        {lines.isFull ? <p className="log-note">The rest of this log is too long for a page: download it.</p> : null}
      </section>
    </div>
  )
}

const Line = memo(
  function Line({ lines, index }: { readonly lines: LogLines; readonly index: number; readonly raw: string }) {
    return (
      <span className="log-text">
        {cutSpans(lines.spans(index)).map(({ text, style }, at) => drawn(text, style, at))}
      </span>
    )
  },
  (before, after) => before.lines === after.lines && before.index === after.index && before.raw === after.raw,
)

function cutSpans(spans: readonly Span[]): readonly Span[] {
  const cut: Span[] = []
  let left = shownCharactersMax
  for (const { text, style } of spans) {
    cut.push({ text: text.slice(0, left), style })
    left -= text.length
    if (left <= 0) return [...cut, { text: ' … cut here', style: { dim: true } }]
  }
  return cut
}

function drawn(text: string, style: Style, key: number) {
  const classes = classesOf(style)
  const { ink, ground } = style
  const colours = {
    ...(typeof ink === 'string' ? { color: ink } : {}),
    ...(typeof ground === 'string' ? { background: ground } : {}),
  }
  if (classes === '' && Object.keys(colours).length === 0) return text
  return (
    <span key={key} className={classes} style={colours}>
      {text}
    </span>
  )
}

function classesOf(style: Style): string {
  const names: string[] = (['bold', 'dim', 'italic', 'underline', 'strike', 'inverse'] as const).filter(
    (name) => style[name],
  )
  if (typeof style.ink === 'number') names.push(`c${style.ink}`)
  if (typeof style.ground === 'number') names.push(`g${style.ground}`)
  return names.join(' ')
}

/**
 * Whether one is at the end and stays there. Only what a person does leaves the end (wheel, keys, touch, the scroll bar): positions
 * alone would not tell that from lines that came. Scrolling back to the end takes it up again.
 */
function useTail(scroller: React.RefObject<HTMLDivElement | null>, startsAtEnd: boolean) {
  const content = useRef<HTMLDivElement>(null)
  const [isAtEnd, setShown] = useState(startsAtEnd)
  // What counts is the height on the page, which changes when the virtual list draws, not when lines come: so it is observed there.
  const stays = useRef(startsAtEnd)
  const lastTop = useRef(0)
  const setAtEnd = (to: boolean) => {
    stays.current = to
    setShown(to)
    if (to && scroller.current !== null) scroller.current.scrollTop = scroller.current.scrollHeight
  }
  useEffect(() => {
    const [frame, inner] = [scroller.current, content.current]
    if (frame === null || inner === null) return
    const observer = new ResizeObserver(() => {
      if (stays.current) frame.scrollTop = frame.scrollHeight
    })
    observer.observe(inner)
    return () => observer.disconnect()
  }, [scroller])
  const leave = () => setAtEnd(false)
  return {
    content,
    isAtEnd,
    setAtEnd,
    handlers: {
      onScroll: () => {
        const element = scroller.current
        if (element === null) return
        const isDown = element.scrollTop > lastTop.current
        lastTop.current = element.scrollTop
        if (isDown && element.scrollHeight - element.scrollTop - element.clientHeight < atEndPx) setAtEnd(true)
      },
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

/** When the address names lines, they are brought into sight as soon as they are there; once. */
function useChosenOnce(chosen: LineRange | undefined, count: number, goTo: (index: number) => void): void {
  const isDone = useRef(chosen === undefined)
  useEffect(() => {
    if (isDone.current || chosen === undefined || count < chosen.first) return
    isDone.current = true
    goTo(chosen.first - 1)
  })
}

function useSearch(
  lines: LogLines,
  { revision, goTo }: { readonly revision: number; readonly goTo: (index: number) => void },
) {
  const [text, setText] = useState('')
  const [found, setFound] = useState<readonly number[]>([])
  const [current, setCurrent] = useState(0)
  const [isSearching, setSearching] = useState(false)
  const searched = useRef({ text: '', lines, to: 0 })
  // biome-ignore lint/correctness/useExhaustiveDependencies: `revision` says that lines came
  useEffect(() => {
    const isNew = searched.current.text !== text || searched.current.lines !== lines
    if (isNew) {
      searched.current = { text, lines, to: 0 }
      setFound([])
      setCurrent(0)
    }
    if (text === '') return
    let timer: ReturnType<typeof setTimeout>
    let isFirst = isNew
    setSearching(true)
    const next = () => {
      const from = searched.current.to
      const to = Math.min(lines.count, from + searchedAtOnce)
      const more = lines.find(text, from, to)
      // The last line may grow; it is looked at again.
      searched.current.to = to === lines.count ? Math.max(from, to - 1) : to
      if (more.length > 0) setFound((old) => [...old, ...more.filter((index) => index > (old.at(-1) ?? -1))])
      if (isFirst && more[0] !== undefined) {
        isFirst = false
        goTo(more[0])
      }
      if (to < lines.count) timer = setTimeout(next)
      else setSearching(false)
    }
    timer = setTimeout(next, isNew ? 120 : 0)
    return () => clearTimeout(timer)
  }, [text, lines, revision])
  const set = useMemo(() => new Set(found), [found])
  const step = (by: number) => {
    if (found.length === 0) return
    const next = (current + by + found.length) % found.length
    setCurrent(next)
    goTo(found[next]!)
  }
  return {
    text,
    setText,
    found,
    current,
    isSearching,
    isFound: (index: number) => set.has(index),
    step,
    onKey: (event: React.KeyboardEvent) => {
      if (event.key === 'Enter') step(event.shiftKey ? -1 : 1)
      else if (event.key === 'Escape') setText('')
    },
  }
}
