// One log of any length. Only the lines in sight are there and drawn; it stays with the end of a log that grows until one scrolls up.

import './logs.css'
import { type MouseEvent, type PointerEvent, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { Button } from '../../ui/button.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Loading, Problem, Stale } from '../../ui/load-state.tsx'
import { type LineRange, parseRange, rangeText } from './line-range.ts'
import { lineTime, rememberedTimeMode, rememberTimeMode, timeModes } from './line-time.ts'
import type { LogGroup } from './log-groups.ts'
import { LogText } from './log-line.tsx'
import { LogTools } from './log-tools.tsx'
import { RowLayout } from './row-layout.ts'
import { isNoLog, type OpenLog, useLog } from './use-log.ts'
import { useLogErrors, useLogGroups, useLogSearch } from './use-log-marks.ts'
import { useRows } from './use-rows.ts'

/** A log of a line or two is still a place to look at. */
const shortLogPx = 140

type Props = {
  readonly runId: string
  readonly taskId: string
  readonly log: string
  readonly label: string
  /** When the step began: elapsed times count from there. */
  readonly startedAt: string | undefined
  /** As the address has it: `L12-L20`. */
  readonly lines: string | undefined
  readonly onLines: (lines: string | undefined) => void
  readonly addressOfLines: (lines: string) => string
  readonly mayRemove: boolean
}

export function LogViewer(props: Props) {
  const opened = useLog(props)
  const [isRemoved, setRemoved] = useState(false)
  if (isRemoved) return <div className="panel log-note">The log was removed.</div>
  if (isNoLog(opened.error))
    return <div className="panel log-note">There is no log: the step was never begun, or its log was removed.</div>
  if (opened.error !== undefined) return <Problem error={opened.error} title="Cannot show the log" />
  return <OpenedLog {...props} opened={opened} onRemoved={() => setRemoved(true)} />
}

function OpenedLog({
  opened,
  label,
  startedAt,
  lines: chosenText,
  onLines,
  addressOfLines,
  mayRemove,
  onRemoved,
  ...address
}: OpenedProps) {
  const { book, isOpen, isComplete, sizeBytes, connection, show } = opened
  const { lineCount } = book
  const growing = { isOpen, isComplete, lineCount }
  const chosen = parseRange(chosenText)
  const [isWrapped, setWrapped] = useState(false)
  const [times, setTimes] = useState(rememberedTimeMode)
  const [text, setText] = useState('')
  const [isCaseSensitive, setCaseSensitive] = useState(false)
  const [current, setCurrent] = useState(0)
  const [errorAt, setErrorAt] = useState<number>()
  const scroller = useRef<HTMLElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const input = useRef<HTMLInputElement>(null)

  const groups = useLogGroups(address, growing)
  const folds = useFolds(groups, isComplete)
  const layout = useMemo(() => new RowLayout(lineCount, folds.hidden), [lineCount, folds.hidden])
  const rows = useRows(scroller, content, {
    rowCount: layout.rowCount,
    isWrapped,
    startsAtEnd: chosen === undefined,
    layoutKey: `${isWrapped} ${folds.key} ${times}`,
  })
  const target = useRef<number>(undefined)
  const goTo = (line: number) => {
    if (folds.reveal(line)) target.current = line
    rows.goToRow(layout.rowOf(line))
  }
  // Unfolding moves rows: one goes to the line where it is after that.
  useLayoutEffect(() => {
    if (target.current === undefined) return
    rows.goToRow(layout.rowOf(target.current))
    target.current = undefined
  }, [layout, rows.goToRow])

  const search = useLogSearch(address, { text, isCaseSensitive }, growing, (line) => {
    setCurrent(0)
    goTo(line)
  })
  const errors = useLogErrors(address, growing)
  const step = (by: 1 | -1) => {
    const { found } = search
    if (found.length === 0) return
    const next = (current + by + found.length) % found.length
    setCurrent(next)
    goTo(found[next]!)
  }
  const nextError = () => {
    const next = errorAt === undefined ? 0 : (errorAt + 1) % errors.length
    setErrorAt(next)
    goTo(errors[next]!)
  }
  useChosenOnce(chosen, isOpen, goTo)

  const shown = rows.rows
  const firstLine = shown.length === 0 ? 0 : layout.lineOf(shown[0]!.row)
  const lastLine = shown.length === 0 ? 0 : layout.lineOf(shown.at(-1)!.row)
  // biome-ignore lint/correctness/useExhaustiveDependencies: `revision` says that lines came or went
  useEffect(() => {
    if (isOpen) show(firstLine, lastLine)
  }, [isOpen, show, firstLine, lastLine, opened.revision])
  useLayoutEffect(() => {
    if (!isWrapped || content.current === null) return
    const drawn = [...content.current.children] as HTMLElement[]
    rows.measure(drawn.map((element) => ({ row: Number(element.dataset.row), heightPx: element.offsetHeight })))
  })

  const matches = useMemo(() => new Set(search.found), [search.found])
  const currentLine = search.found[current]
  const errorLine = errorAt === undefined ? undefined : errors[errorAt]
  const choice = useChoice(chosen, onLines)
  const toggle = (group: LogGroup) => {
    // What was pressed stays where it is.
    rows.setAtEnd(false)
    folds.toggle(group)
  }
  const onKey = (event: React.KeyboardEvent) => {
    rows.handlers.onKeyDown(event)
    const isFind = (event.ctrlKey || event.metaKey) && event.key === 'f'
    if (!isFind && event.key !== '/') return
    // What the browser finds is what is drawn; here all of the log is searched.
    event.preventDefault()
    input.current?.focus()
    input.current?.select()
  }
  const start = startedAt === undefined ? (book.line(0)?.at ?? 0) : Date.parse(startedAt)
  return (
    <div
      className="log"
      {...(isWrapped ? { 'data-wrap': '' } : {})}
      {...(times === 'none' ? {} : { 'data-times': '' })}
      {...(groups.length === 0 ? {} : { 'data-groups': Math.min(deepestShown, folds.depth) })}
    >
      <LogTools
        address={address}
        input={input}
        text={text}
        onText={setText}
        isCaseSensitive={isCaseSensitive}
        onCaseSensitive={setCaseSensitive}
        search={search}
        current={current}
        onStep={step}
        lineCount={lineCount}
        sizeBytes={sizeBytes}
        errorCount={errors.length}
        errorAt={errorAt}
        onError={nextError}
        isWrapped={isWrapped}
        onWrapped={setWrapped}
        times={times}
        onTimes={() => {
          const next = timeModes[(timeModes.indexOf(times) + 1) % timeModes.length]!
          rememberTimeMode(next)
          setTimes(next)
        }}
        folds={groups.length === 0 ? 'none' : folds.isAllFolded ? 'all folded' : 'some open'}
        onFolds={folds.toggleAll}
        isComplete={isComplete}
        isAtEnd={rows.isAtEnd}
        onEnd={() => rows.setAtEnd(true)}
        onRemoved={mayRemove && isComplete ? onRemoved : undefined}
      />
      {connection === 'lost' && !isComplete ? (
        <Stale>The connection is lost. The log goes on where it was, by itself.</Stale>
      ) : null}
      {chosen === undefined ? null : <Chosen range={chosen} addressOf={addressOfLines} onClear={choice.clear} />}
      <section
        className="log-scroll"
        ref={scroller}
        tabIndex={0}
        aria-label={label}
        // A short log takes no more than it has; one that grows has its place from the beginning.
        style={isComplete && !isWrapped ? { maxHeight: Math.max(shortLogPx, rows.scrolledPx + 24) } : undefined}
        {...rows.handlers}
        onKeyDown={onKey}
      >
        {lineCount === 0 ? (
          isComplete ? (
            <p className="log-note">The step wrote nothing.</p>
          ) : (
            <Loading what="the log" lines={6} />
          )
        ) : null}
        <div ref={content} style={{ height: rows.scrolledPx, position: 'relative' }}>
          {shown.map(({ row, y }) => {
            const line = layout.lineOf(row)
            const number = line + 1
            const head = folds.headOf(line)
            const isChosen = chosen !== undefined && number >= chosen.first && number <= chosen.last
            return (
              <div
                key={line}
                className="log-line"
                data-row={row}
                style={{ transform: `translateY(${y}px)` }}
                {...(isChosen ? { 'data-chosen': '' } : {})}
                {...(matches.has(line) ? { 'data-found': '' } : {})}
                {...(currentLine === line || errorLine === line ? { 'data-current': '' } : {})}
                {...(head === undefined ? {} : { 'data-head': head.kind })}
              >
                <a
                  href={addressOfLines(rangeText({ first: number, last: number }))}
                  aria-label={`Link to line ${number}`}
                  tabIndex={-1}
                  draggable={false}
                  {...choice.handlers(number)}
                >
                  {number}
                </a>
                {times === 'none' ? null : (
                  <span className="log-time">{lineTime(book.line(line)?.at ?? 0, times, start)}</span>
                )}
                {groups.length === 0 ? null : <Fold head={head} onToggle={toggle} isOpen={folds.isOpen} />}
                <LogText book={book} line={line} searched={text} isCaseSensitive={isCaseSensitive} />
              </div>
            )
          })}
        </div>
      </section>
    </div>
  )
}

/** Deeper ones stand there, too. */
const deepestShown = 4

type OpenedProps = Props & { readonly opened: OpenLog; readonly onRemoved: () => void }

function Fold({
  head,
  onToggle,
  isOpen,
}: {
  readonly head: LogGroup | undefined
  readonly onToggle: (group: LogGroup) => void
  readonly isOpen: (group: LogGroup) => boolean
}) {
  if (head === undefined) return <span className="log-fold" />
  const open = isOpen(head)
  const count = head.last - head.head
  return (
    <button
      type="button"
      className="log-fold"
      data-depth={Math.min(head.depth, deepestShown)}
      aria-expanded={open}
      aria-label={`${open ? 'Fold' : 'Unfold'} ${count} ${count === 1 ? 'line' : 'lines'}`}
      title={`${count} ${count === 1 ? 'line' : 'lines'}`}
      onClick={() => onToggle(head)}
    >
      <Icon name={open ? 'down' : 'right'} />
    </button>
  )
}

function Chosen({
  range,
  addressOf,
  onClear,
}: {
  readonly range: LineRange
  readonly addressOf: (lines: string) => string
  readonly onClear: () => void
}) {
  const [isCopied, setCopied] = useState(false)
  const count = range.last - range.first + 1
  const copy = async () => {
    await navigator.clipboard?.writeText(new URL(addressOf(rangeText(range)), location.href).href)
    setCopied(true)
    setTimeout(() => setCopied(false), 2000)
  }
  return (
    <div className="log-chosen">
      <span>
        {count === 1
          ? `Line ${range.first}`
          : `Lines ${range.first} to ${range.last}, ${count.toLocaleString('en')} of them`}
      </span>
      <Button size="small" icon="copy" onClick={() => void copy()}>
        {isCopied ? 'Copied' : 'Copy the link'}
      </Button>
      <Button size="small" kind="quiet" onClick={onClear}>
        Clear
      </Button>
    </div>
  )
}

/** Groups of a log that is complete begin folded, as those who mark them expect; commands, and what is being written, open. */
function useFolds(groups: readonly LogGroup[], isComplete: boolean) {
  /** Those that are not as they begin, by their first line. */
  const [turned, setTurned] = useState<ReadonlySet<number>>(new Set())
  const heads = useMemo(() => new Map(groups.map((group) => [group.head, group])), [groups])
  const isOpen = (group: LogGroup) => (group.kind === 'command' || !isComplete) !== turned.has(group.head)
  // biome-ignore lint/correctness/useExhaustiveDependencies: `isOpen` is made of these
  const hidden = useMemo(
    () => groups.filter((group) => !isOpen(group)).map(({ head, last }) => ({ first: head + 1, last })),
    [groups, turned, isComplete],
  )
  const turn = (changed: readonly LogGroup[]) => {
    if (changed.length === 0) return
    const next = new Set(turned)
    for (const { head } of changed) if (!next.delete(head)) next.add(head)
    setTurned(next)
  }
  const isAllFolded = groups.length > 0 && groups.every((group) => !isOpen(group))
  return {
    hidden,
    depth: useMemo(() => groups.reduce((deepest, { depth }) => Math.max(deepest, depth), 0), [groups]),
    key: hidden.length === 0 ? 0 : `${hidden.length} ${hidden[0]!.first} ${hidden.at(-1)!.first}`,
    isOpen,
    isAllFolded,
    headOf: (line: number) => heads.get(line),
    toggle: (group: LogGroup) => turn([group]),
    toggleAll: () => turn(groups.filter((group) => isOpen(group) !== isAllFolded)),
    /** Opens what hides a line; answers whether something did. */
    reveal: (line: number) => {
      const hiding = groups.filter((group) => line > group.head && line <= group.last && !isOpen(group))
      turn(hiding)
      return hiding.length > 0
    },
  }
}

/** Choosing lines by their numbers: a click, a click with Shift to the other end, or pulling over them. */
function useChoice(chosen: LineRange | undefined, onLines: (lines: string | undefined) => void) {
  const pulled = useRef<number>(undefined)
  const choose = (first: number, last: number) =>
    onLines(rangeText({ first: Math.min(first, last), last: Math.max(first, last) }))
  return {
    clear: () => onLines(undefined),
    handlers: (number: number) => ({
      onClick: (event: MouseEvent) => {
        event.preventDefault()
        if (event.shiftKey && chosen !== undefined) choose(chosen.first, number)
        else if (chosen === undefined || pulled.current === undefined || pulled.current === number)
          choose(number, number)
        pulled.current = undefined
      },
      onPointerDown: (event: PointerEvent) => {
        pulled.current = event.button === 0 && !event.shiftKey ? number : undefined
      },
      onPointerEnter: (event: PointerEvent) => {
        if (event.buttons === 1 && pulled.current !== undefined) choose(pulled.current, number)
      },
    }),
  }
}

/** When the address names lines, they are brought into sight as soon as the log is open; once. */
function useChosenOnce(chosen: LineRange | undefined, isOpen: boolean, goTo: (line: number) => void): void {
  const isDone = useRef(chosen === undefined)
  useEffect(() => {
    if (isDone.current || chosen === undefined || !isOpen) return
    isDone.current = true
    goTo(chosen.first - 1)
  })
}
