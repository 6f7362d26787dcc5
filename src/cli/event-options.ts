// `--branch`, `--tag`, `--pr`, `--ref`: the same four wherever an event is simulated.

import type { Command } from 'commander'
import { SlipwayError } from '../lib/errors.ts'
import type { GitEvent } from '../pipeline/event.ts'

export type EventOptions = {
  readonly branch?: string
  readonly tag?: string
  readonly pr?: string
  readonly ref?: string
}

export function addEventOptions(command: Command): Command {
  return command
    .option('--branch <name>', 'as if pushed to this branch (default: the current one)')
    .option('--tag <name>', 'as if this tag was pushed')
    .option('--pr <number>', 'as if this pull request was opened')
    .option('--ref <ref>', 'as if this full ref was pushed: refs/heads/x, refs/tags/x, refs/pull/N/head')
}

type Ref = Pick<GitEvent, 'refType' | 'ref' | 'branch' | 'tag' | 'pullRequestId'>

/** The ref that the options name; `usage` when more than one is given or a ref is of no known kind. */
export function refOf(options: EventOptions, currentBranch: string | undefined): Ref {
  const given = Object.entries({ branch: options.branch, tag: options.tag, pr: options.pr, ref: options.ref }).filter(
    ([, value]) => value !== undefined,
  )
  if (given.length > 1) {
    throw new SlipwayError('usage', `give only one of ${given.map(([name]) => `--${name}`).join(', ')}`)
  }
  if (options.tag !== undefined) return tagRef(options.tag)
  if (options.pr !== undefined) return pullRequestRef(options.pr)
  if (options.ref !== undefined) return parseRef(options.ref)
  return branchRef(options.branch ?? currentBranch ?? '')
}

const none = { branch: '', tag: '', pullRequestId: '' }

/** Without a name (a detached HEAD) it is a push to no branch: only runs without `when: branch` match. */
function branchRef(branch: string): Ref {
  return { ...none, refType: 'branch', ref: branch === '' ? 'HEAD' : `refs/heads/${branch}`, branch }
}

function tagRef(tag: string): Ref {
  return { ...none, refType: 'tag', ref: `refs/tags/${tag}`, tag }
}

function pullRequestRef(number: string): Ref {
  if (!/^\d+$/.test(number)) throw new SlipwayError('usage', `--pr wants a number, not "${number}"`)
  return { ...none, refType: 'pull_request', ref: `refs/pull/${number}/head`, pullRequestId: number }
}

function parseRef(ref: string): Ref {
  const [, kind, name] = /^refs\/(heads|tags)\/(.+)$/.exec(ref) ?? []
  if (kind === 'heads' && name !== undefined) return branchRef(name)
  if (kind === 'tags' && name !== undefined) return tagRef(name)
  const number = /^refs\/(?:pull|merge-requests)\/(\d+)\/head$/.exec(ref)?.[1]
  if (number !== undefined) return { ...pullRequestRef(number), ref }
  throw new SlipwayError('usage', `--ref "${ref}" is neither refs/heads/..., refs/tags/... nor refs/pull/N/head`)
}
