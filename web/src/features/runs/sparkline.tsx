// How long the last runs took and how they ended: a bar for each, the oldest left.

import { Link } from '@tanstack/react-router'
import type { RunSummary } from '../../api/types.ts'
import { addressOfPath } from '../../app/project-address.ts'
import { useNow } from '../../ui/now.ts'
import { durationText } from '../../ui/time-text.ts'
import { durationOf, isLive, stateOfRun, stateWords } from './run-state.ts'

const barsMax = 40
const height = 44
const barWidth = 10

export function Sparkline({
  runs,
  projectPath,
}: {
  readonly runs: readonly RunSummary[]
  readonly projectPath: string
}) {
  const shown = runs.slice(0, barsMax).reverse()
  const now = useNow(shown.some(isLive))
  if (shown.length < 2) return null
  const durations = shown.map((run) => durationOf(run, now) ?? 0)
  const longest = Math.max(...durations, 1)
  return (
    <figure className="spark-of">
      <svg
        className="spark"
        viewBox={`0 0 ${barsMax * barWidth} ${height}`}
        preserveAspectRatio="xMinYMax meet"
        role="group"
        aria-label="How long runs took"
      >
        {shown.map((run, index) => {
          const state = stateOfRun(run)
          const barHeight = 4 + (durations[index]! / longest) * (height - 4)
          const what = `#${run.number} ${stateWords[state].toLowerCase()}, ${durationText(durations[index]!)}`
          return (
            <Link
              key={run.id}
              to="/projects/$project/runs/$number"
              params={{ project: addressOfPath(projectPath), number: String(run.number) }}
              aria-label={what}
              data-state={state}
              tabIndex={-1}
            >
              <title>{what}</title>
              <rect x={index * barWidth} y={0} width={barWidth} height={height} style={{ fill: 'transparent' }} />
              <rect x={index * barWidth + 1} y={height - barHeight} width={barWidth - 3} height={barHeight} rx={1} />
            </Link>
          )
        })}
      </svg>
      <figcaption>
        The last {shown.length} runs; the longest took {durationText(longest)}
      </figcaption>
    </figure>
  )
}
