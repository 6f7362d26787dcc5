// The badge of a project: how the newest run of a branch ended, as an image for pages and read-me files.

import { escapeSegment } from '../../pipeline/group.ts'
import type { RunEntry, Runservice } from '../../runservice/api.ts'

const states = {
  unknown: { text: 'unknown', colour: '#9f9f9f' },
  success: { text: 'success', colour: '#4c1' },
  failed: { text: 'failed', colour: '#e05d44' },
  inprogress: { text: 'in progress', colour: '#007ec6' },
  error: { text: 'error', colour: '#dfb317' },
} as const
type BadgeState = keyof typeof states

/** Tags and pull requests say nothing about a project. */
export async function projectBadge(
  runservice: Pick<Runservice, 'findRuns'>,
  projectId: string,
  branch: string | undefined,
): Promise<string> {
  const below = branch === undefined ? '' : `/${escapeSegment(branch)}`
  const group = `/project/${escapeSegment(projectId)}/branch${below}`
  const { runs } = await runservice.findRuns({ group, isSubtree: true, limit: 1 })
  return badge(stateOf(runs[0]))
}

export function stateOf(run: Pick<RunEntry, 'phase' | 'result'> | undefined): BadgeState {
  if (run === undefined) return 'unknown'
  switch (run.phase) {
    case 'setuperror':
      return 'error'
    case 'cancelled':
      return 'failed'
    case 'queued':
    case 'running':
      return run.result === 'failed' || run.result === 'stopped' ? 'failed' : 'inprogress'
    case 'finished':
      return run.result === 'success' ? 'success' : 'failed'
  }
}

const label = 'run'
const characterWidth = 7
const padding = 5

/** SVG, 20 pixels high. */
export function badge(state: BadgeState): string {
  const { text, colour } = states[state]
  const left = label.length * characterWidth + 2 * padding
  const right = text.length * characterWidth + 2 * padding
  const width = left + right
  const words = (content: string, middle: number) => `<text x="${middle}" y="14">${content}</text>`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="20" role="img" aria-label="${label}: ${text}">`,
    `<title>${label}: ${text}</title>`,
    `<rect width="${left}" height="20" fill="#555"/>`,
    `<rect x="${left}" width="${right}" height="20" fill="${colour}"/>`,
    '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">',
    words(label, left / 2),
    words(text, left + right / 2),
    '</g></svg>',
  ].join('')
}
