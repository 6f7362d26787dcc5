// Title and icon of the tab say what the page is about and, on the page of a run, how it is going.

import { useEffect } from 'react'
import { type ShownState, stateWords } from '../features/runs/run-state.ts'

const marks: Partial<Record<ShownState, string>> = {
  success: '✓',
  failed: '✗',
  running: '▸',
  stopping: '▸',
  approval: '◆',
  queued: '…',
  setuperror: '△',
}

/** `#12 build · web`: from the special to the general. */
export function usePageTitle(...parts: readonly (string | undefined)[]): void {
  const title = [...parts.filter((part) => part !== undefined && part !== ''), 'Slipway'].join(' · ')
  useEffect(() => {
    document.title = title
  }, [title])
}

/** The icon gets a badge in the colour and shape of the state, until the page is left. */
export function useStateIcon(state: ShownState | undefined): void {
  useEffect(() => {
    const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]')
    if (link === null || state === undefined) return
    link.href = `data:image/svg+xml,${encodeURIComponent(iconOf(state))}`
    return () => {
      link.href = '/favicon.svg'
    }
  }, [state])
}

export function titleMark(state: ShownState): string {
  return marks[state] ?? stateWords[state]
}

/** Colours of their own: the icon stands on the browser's ground, not on the page's. */
const colours: Partial<Record<ShownState, string>> = {
  success: '#1f9254',
  failed: '#d5352b',
  running: '#2b78d8',
  stopping: '#9a4f90',
  approval: '#c47f10',
  setuperror: '#d0670f',
}

function iconOf(state: ShownState): string {
  const colour = colours[state] ?? '#7d868e'
  const shape = {
    failed: '<path d="M17 13h8l5 5v8l-5 5h-8l-5-5v-8z"/>',
    approval: '<path d="m21 11 11 11-11 10-10-10z"/>',
    setuperror: '<path d="m21 11 11 20H11z"/>',
    stopped: '<path d="M12 13h18v18H12z"/>',
  } as Partial<Record<ShownState, string>>
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><g fill="#5b8fa0"><path d="M4 4h24v3H4zM7 10h18l-4.5 8h-9z"/><path d="M2 24 30 20v3L2 27z"/></g><g fill="${colour}" stroke="#fff" stroke-width="2">${shape[state] ?? '<circle cx="22" cy="22" r="9"/>'}</g></svg>`
}
