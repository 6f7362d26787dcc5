// What changed since the last run of the same branch, tag or pull request that succeeded.

import './history.css'
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import type { Run, RunSummary } from '../../../api/types.ts'
import { Icon } from '../../../ui/icon.tsx'
import { Empty, Loaded } from '../../../ui/load-state.tsx'
import { Table } from '../../../ui/table.tsx'
import { Ago } from '../../../ui/time.tsx'
import { durationText } from '../../../ui/time-text.ts'
import { runQuery } from '../../runs/queries.ts'
import { type OwnerRef, RunLink } from '../../runs/run-link.tsx'
import { commitOf } from '../../runs/run-state.ts'
import { compareLink, compareRuns, type ExpandedConfig, type TaskComparison } from './compare-runs.ts'
import { type DiffHunk, hunksOf } from './line-diff.ts'
import { configQuery, relatedQuery } from './queries.ts'

type Props = { readonly run: Run; readonly owner: OwnerRef }

export function Comparison({ run, owner }: Props) {
  const related = useQuery(relatedQuery(run.id))
  return (
    <Loaded query={related} what="what changed" lines={6}>
      {({ lastSuccess }) =>
        lastSuccess === undefined ? (
          <Empty title="Nothing to compare with">
            No run of this name has succeeded before on this branch, tag or pull request.
          </Empty>
        ) : (
          <Compared run={run} owner={owner} good={lastSuccess} />
        )
      }
    </Loaded>
  )
}

function Compared({ run, owner, good }: Props & { readonly good: RunSummary }) {
  const before = useQuery(runQuery(good.id))
  const configs = [useQuery(configQuery(good.id)), useQuery(configQuery(run.id))] as const
  const [waitsFor] = configs.filter(({ data }) => data === undefined)
  return (
    <div className="comparison">
      <Commits run={run} owner={owner} good={good} />
      <Loaded query={waitsFor ?? before} what="what changed" lines={6}>
        {() =>
          before.data === undefined || configs[0].data === undefined || configs[1].data === undefined ? null : (
            <Differences run={run} before={before.data} configs={[configs[0].data, configs[1].data]} />
          )
        }
      </Loaded>
    </div>
  )
}

function Commits({ run, owner, good }: Props & { readonly good: RunSummary }) {
  const [from, to] = [commitOf(good), commitOf(run)]
  const link = compareLink(good, run)
  return (
    <section>
      <h3>Since the last success</h3>
      <p className="row soft">
        <RunLink owner={owner} number={good.number}>
          #{good.number} {good.name}
        </RunLink>
        <span>
          ended <Ago time={good.endedAt ?? good.enqueuedAt} />
        </span>
        {from.sha === '' || to.sha === '' ? null : from.sha === to.sha ? (
          <span>
            the same commit, <code>{to.sha.slice(0, 8)}</code>
          </span>
        ) : (
          <span>
            commits{' '}
            <code>
              {from.sha.slice(0, 8)}…{to.sha.slice(0, 8)}
            </code>
          </span>
        )}
        {link === undefined ? null : (
          <a className="link" href={link}>
            Show the commits <Icon name="external" />
          </a>
        )}
      </p>
      {from.sha !== to.sha && from.sha !== '' && link === undefined ? (
        <pre className="command" tabIndex={0}>
          git log --oneline {from.sha.slice(0, 12)}..{to.sha.slice(0, 12)}
        </pre>
      ) : null}
    </section>
  )
}

function Differences({
  run,
  before,
  configs,
}: {
  readonly run: Run
  readonly before: Run
  readonly configs: readonly [ExpandedConfig, ExpandedConfig]
}) {
  const [old, now] = configs
  const { tasks, variables, definition } = useMemo(
    () => compareRuns({ run: before, config: old }, { run, config: now }),
    [run, before, old, now],
  )
  const hunks = useMemo(() => hunksOf(definition), [definition])
  return (
    <>
      <section>
        <h3>Definition</h3>
        {hunks.length === 0 ? <p className="soft">It is the same.</p> : <Diff hunks={hunks} />}
      </section>
      <section>
        <h3>Names of variables</h3>
        {variables.added.length + variables.removed.length === 0 ? (
          <p className="soft">They are the same. Whether a secret has another value nobody can tell.</p>
        ) : (
          <ul className="plain">
            {variables.added.map((name) => (
              <li key={name}>
                <span className="diff-sign" data-kind="added">
                  +
                </span>{' '}
                <code>{name}</code> is new
              </li>
            ))}
            {variables.removed.map((name) => (
              <li key={name}>
                <span className="diff-sign" data-kind="removed">
                  −
                </span>{' '}
                <code>{name}</code> is gone
              </li>
            ))}
          </ul>
        )}
      </section>
      <section>
        <h3>How long tasks took</h3>
        <div className="compared">
          <Table
            label="How long tasks took"
            heads={['Task', 'Then', 'Now', 'Change']}
            numbers={['Then', 'Now', 'Change']}
          >
            {tasks.map((task) => (
              <TaskRow key={task.name} task={task} />
            ))}
          </Table>
        </div>
      </section>
    </>
  )
}

const changeWords = { same: '', changed: 'its definition changed', added: 'new', removed: 'gone' } as const
/** Smaller changes are noise. */
const notablePart = 0.2
const notableMs = 1000

function TaskRow({ task: { name, beforeMs, afterMs, change } }: { readonly task: TaskComparison }) {
  const delta = beforeMs === undefined || afterMs === undefined ? undefined : afterMs - beforeMs
  const isNotable =
    delta !== undefined && Math.abs(delta) >= notableMs && Math.abs(delta) >= notablePart * (beforeMs ?? 0)
  return (
    <tr>
      <th scope="row">
        {name} {change === 'same' ? null : <span className="tag">{changeWords[change]}</span>}
      </th>
      <td className="number">{beforeMs === undefined ? '–' : durationText(beforeMs)}</td>
      <td className="number">{afterMs === undefined ? '–' : durationText(afterMs)}</td>
      <td className="number">
        <span className={isNotable ? 'state' : 'faint'} data-state={isNotable && delta! > 0 ? 'failed' : 'success'}>
          {delta === undefined ? '' : changeText(delta)}
        </span>
      </td>
    </tr>
  )
}

/** Below it two durations look alike. */
const shownMs = 50

function changeText(deltaMs: number): string {
  if (Math.abs(deltaMs) < shownMs) return 'none'
  return `${deltaMs < 0 ? '−' : '+'}${durationText(Math.abs(deltaMs))}`
}

const signs = { same: ' ', added: '+', removed: '−' } as const

function Diff({ hunks }: { readonly hunks: readonly DiffHunk[] }) {
  return (
    <div className="diff" role="group" tabIndex={0} aria-label="What changed in the definition">
      {hunks.map(({ lines, skippedBefore }, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: hunks have no other name and do not move
        <div key={at}>
          {skippedBefore === 0 ? null : (
            <div className="diff-skipped">
              {skippedBefore} {skippedBefore === 1 ? 'line' : 'lines'} the same
            </div>
          )}
          {lines.map(({ kind, text }, line) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: lines have no other name and do not move
            <div key={line} className="diff-line" data-kind={kind}>
              <span className="diff-sign" data-kind={kind}>
                {signs[kind]}
              </span>
              {text}
            </div>
          ))}
        </div>
      ))}
    </div>
  )
}
