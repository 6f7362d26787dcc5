// The mark of a state. Each has a silhouette of its own, so that colour is never the only difference: disc with a check, octagon
// with a cross, open turning ring, dashed ring, diamond, square, bar, triangle.

import { type ShownState, stateWords } from '../features/runs/run-state.ts'

/** The drawing inside a box of 16, without the frame of an `svg`: the graph places many of them in one. */
export function StateShape({ state }: { readonly state: ShownState }) {
  const cut = {
    fill: 'none',
    stroke: 'var(--mark-ground, var(--surface))',
    strokeWidth: 1.8,
    strokeLinecap: 'round',
  } as const
  const line = { fill: 'none', stroke: 'currentColor', strokeWidth: 2 } as const
  switch (state) {
    case 'success':
      return (
        <>
          <circle cx="8" cy="8" r="7" fill="currentColor" />
          <path d="m4.8 8.3 2.2 2.2 4.3-4.7" {...cut} />
        </>
      )
    case 'failed':
      return (
        <>
          <path d="M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z" fill="currentColor" />
          <path d="m5.5 5.5 5 5M10.5 5.5l-5 5" {...cut} />
        </>
      )
    case 'running':
    case 'stopping':
      return (
        <>
          <circle cx="8" cy="8" r="6" {...line} opacity="0.28" />
          <path className="turning" d="M8 2a6 6 0 0 1 6 6" {...line} strokeLinecap="round" />
        </>
      )
    case 'queued':
      return <circle cx="8" cy="8" r="6" {...line} strokeDasharray="2.6 2.11" />
    case 'notstarted':
      return <circle cx="8" cy="8" r="6" {...line} strokeWidth="1.4" opacity="0.7" />
    case 'approval':
      return (
        <>
          <path d="M8 .8 15.2 8 8 15.2.8 8z" fill="currentColor" />
          <path d="M8 4.8v3.8M8 11v.1" {...cut} />
        </>
      )
    case 'stopped':
      return <rect x="2" y="2" width="12" height="12" rx="1.5" fill="currentColor" />
    case 'cancelled':
      return (
        <>
          <circle cx="8" cy="8" r="6" {...line} />
          <path d="m4 12 8-8" {...line} />
        </>
      )
    case 'skipped':
      return <path d="M2.5 4.5 6 8l-3.5 3.5M7.5 4.5 11 8l-3.5 3.5M13.5 4.5v7" {...line} strokeWidth="1.6" />
    case 'setuperror':
      return (
        <>
          <path d="M8 1 15.5 14.5H.5z" fill="currentColor" />
          <path d="M8 6v4M8 12.2v.1" {...cut} />
        </>
      )
  }
}

/** `label`: read out instead of the state's word; empty where that word stands beside it. */
export function StateMark({
  state,
  label = stateWords[state],
}: {
  readonly state: ShownState
  readonly label?: string
}) {
  return (
    <svg
      className="mark"
      viewBox="0 0 16 16"
      data-state={state}
      {...(label === '' ? { 'aria-hidden': true } : { role: 'img', 'aria-label': label })}
    >
      <StateShape state={state} />
    </svg>
  )
}

export function StateText({ state, detail }: { readonly state: ShownState; readonly detail?: string }) {
  return (
    <span className="state" data-state={state}>
      <StateMark state={state} label="" />
      {stateWords[state]}
      {detail === undefined ? null : <span className="faint">{detail}</span>}
    </span>
  )
}
