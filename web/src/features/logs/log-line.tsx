// One line of a log as it is drawn: its colours, and where the text that is searched for stands.

import type { ReactNode } from 'react'
import type { LogBook } from './log-book.ts'
import { levelOf, titleOf } from './log-groups.ts'
import type { Span, Style } from './terminal-text.ts'

/** Of one line; more is in the download. */
const shownCharactersMax = 5000

type Props = {
  readonly book: LogBook
  readonly line: number
  readonly searched: string
  readonly isCaseSensitive: boolean
}

export function LogText({ book, line, searched, isCaseSensitive }: Props) {
  const found = book.line(line)
  if (found === undefined) return <span className="log-text log-missing" aria-hidden="true" />
  const title = titleOf(found.text)
  if (title !== undefined) return <span className="log-text log-title">{title}</span>
  const spans = cutSpans(book.spans(line), found.isCut)
  const level = levelOf(found.text)
  return (
    <span className="log-text" {...(level === undefined ? {} : { 'data-level': level })}>
      {spans.map(({ text, style }, at) => drawn(marked(text, searched, isCaseSensitive), style, at))}
    </span>
  )
}

function cutSpans(spans: readonly Span[], isCut: boolean): readonly Span[] {
  const cut: Span[] = []
  const note = { text: ' … cut here: the download has all of it', style: { dim: true } } as const
  let left = shownCharactersMax
  for (const { text, style } of spans) {
    cut.push({ text: text.slice(0, left), style })
    left -= text.length
    if (left < 0) return [...cut, note]
  }
  return isCut ? [...cut, note] : cut
}

function marked(text: string, searched: string, isCaseSensitive: boolean): ReactNode {
  if (searched === '') return text
  const all = isCaseSensitive ? text : text.toLowerCase()
  const wanted = isCaseSensitive ? searched : searched.toLowerCase()
  const parts: ReactNode[] = []
  let at = 0
  for (let found = all.indexOf(wanted); found !== -1; found = all.indexOf(wanted, at)) {
    parts.push(text.slice(at, found), <mark key={found}>{text.slice(found, found + wanted.length)}</mark>)
    at = found + wanted.length
  }
  return parts.length === 0 ? text : [...parts, text.slice(at)]
}

function drawn(text: ReactNode, style: Style, key: number) {
  const classes = classesOf(style)
  const { ink, ground } = style
  const colours = {
    ...(typeof ink === 'string' ? { color: ink } : {}),
    ...(typeof ground === 'string' ? { background: ground } : {}),
  }
  if (classes === '' && Object.keys(colours).length === 0) return <span key={key}>{text}</span>
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
