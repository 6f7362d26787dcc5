// The bar above a log: searching, errors, how it is shown, the end, the download.

import { type RefObject, useId } from 'react'
import { addressOf } from '../../../../src/contract/client.ts'
import { routes } from '../../../../src/contract/routes.ts'
import { call } from '../../api/client.ts'
import { Button } from '../../ui/button.tsx'
import { RemoveButton } from '../../ui/dialogs.tsx'
import { Icon } from '../../ui/icon.tsx'
import { bytesText } from '../../ui/time-text.ts'
import type { TimeMode } from './line-time.ts'
import type { LogAddress } from './use-log.ts'
import type { LogSearchState } from './use-log-marks.ts'

type Props = {
  readonly address: LogAddress
  readonly input: RefObject<HTMLInputElement | null>
  readonly text: string
  readonly onText: (text: string) => void
  readonly isCaseSensitive: boolean
  readonly onCaseSensitive: (is: boolean) => void
  readonly search: LogSearchState
  /** Of what was found, from 0. */
  readonly current: number
  readonly onStep: (by: 1 | -1) => void
  readonly lineCount: number
  readonly sizeBytes: number
  readonly errorCount: number
  /** Which of the errors one is at, from 0. */
  readonly errorAt: number | undefined
  readonly onError: () => void
  readonly isWrapped: boolean
  readonly onWrapped: (is: boolean) => void
  readonly times: TimeMode
  readonly onTimes: () => void
  readonly folds: 'none' | 'some open' | 'all folded'
  readonly onFolds: () => void
  readonly isComplete: boolean
  readonly isAtEnd: boolean
  readonly onEnd: () => void
  /** Undefined: it cannot be removed, or one may not. */
  readonly onRemoved: (() => void) | undefined
}

const timeWords = { none: 'Times', relative: 'Times: elapsed', clock: 'Times: clock' } as const

export function LogTools(props: Props) {
  const { address, text, search, current, lineCount, sizeBytes, errorCount, errorAt, isComplete } = props
  const hint = useId()
  const onKey = (event: React.KeyboardEvent) => {
    if (event.key === 'Enter') {
      event.preventDefault()
      props.onStep(event.shiftKey ? -1 : 1)
    } else if (event.key === 'Escape') props.onText('')
  }
  return (
    <div className="log-tools">
      <div className="log-search">
        <input
          ref={props.input}
          className="input"
          type="search"
          placeholder="Search the log"
          aria-label="Search the log"
          aria-describedby={hint}
          value={text}
          onChange={({ target }) => props.onText(target.value)}
          onKeyDown={onKey}
        />
        <Button
          size="small"
          aria-pressed={props.isCaseSensitive}
          aria-label="Match case"
          title="Match case"
          onClick={() => props.onCaseSensitive(!props.isCaseSensitive)}
        >
          Aa
        </Button>
        <Button
          size="small"
          icon="up"
          aria-label="Previous match"
          disabled={search.found.length === 0}
          onClick={() => props.onStep(-1)}
        />
        <Button
          size="small"
          icon="down"
          aria-label="Next match"
          disabled={search.found.length === 0}
          onClick={() => props.onStep(1)}
        />
      </div>
      <span className="count" role="status" id={hint}>
        {text === ''
          ? `${lineCount.toLocaleString('en')} ${lineCount === 1 ? 'line' : 'lines'} · ${bytesText(sizeBytes)}`
          : search.error !== undefined
            ? 'cannot be searched now'
            : search.found.length === 0 && !search.isSearching
              ? 'not found'
              : `${search.found.length === 0 ? 0 : current + 1} of ${search.found.length}${search.isSearching ? `, ${Math.floor(search.done * 100)} % searched` : ''}`}
      </span>
      <span className="grow" />
      {errorCount === 0 ? null : (
        <Button size="small" onClick={props.onError} title="Lines that look like errors">
          {errorAt === undefined ? 'First error' : `Error ${errorAt + 1} of ${errorCount}`}
        </Button>
      )}
      {props.folds === 'none' ? null : (
        <Button size="small" onClick={props.onFolds}>
          {props.folds === 'all folded' ? 'Unfold all' : 'Fold all'}
        </Button>
      )}
      <Button size="small" aria-pressed={props.times !== 'none'} onClick={props.onTimes}>
        {timeWords[props.times]}
      </Button>
      <Button size="small" aria-pressed={props.isWrapped} onClick={() => props.onWrapped(!props.isWrapped)}>
        Wrap
      </Button>
      <Button size="small" aria-pressed={props.isAtEnd && !isComplete} onClick={props.onEnd}>
        {isComplete ? 'End' : 'Follow'}
      </Button>
      <a
        className="button"
        data-size="small"
        href={addressOf(routes.readLog, { params: address, query: { download: true } })}
        download
      >
        <Icon name="download" /> Download
      </a>
      {props.onRemoved === undefined ? null : (
        <RemoveButton
          name="this log"
          onConfirm={async () => {
            await call('deleteLog', { params: address })
            props.onRemoved?.()
          }}
        >
          <p>Nobody can read it again. The run and its other logs stay.</p>
        </RemoveButton>
      )}
    </div>
  )
}
