import type { RunSummary } from '../../api/types.ts'
import { Icon } from '../../ui/icon.tsx'
import { commitOf, originOf } from './run-state.ts'

const originIcons = { branch: 'branch', tag: 'tag', pullRequest: 'pull', direct: 'person' } as const
const originWords = { branch: 'branch', tag: 'tag', pullRequest: 'pull request', direct: 'direct run' } as const

type From = Pick<RunSummary, 'annotations' | 'group'>

/** Branch, tag or pull request. */
export function Origin({ run, isLinked = false }: { readonly run: From; readonly isLinked?: boolean }) {
  const origin = originOf(run)
  const text = origin.kind === 'direct' ? 'direct' : origin.kind === 'pullRequest' ? `#${origin.name}` : origin.name
  return (
    <span className="tag" title={`${originWords[origin.kind]}${origin.kind === 'direct' ? '' : ` ${origin.name}`}`}>
      <Icon name={originIcons[origin.kind]} />
      <span className="visually-hidden">{originWords[origin.kind]}</span>
      <span className="clip">
        {isLinked && origin.kind !== 'direct' && origin.link !== undefined ? <a href={origin.link}>{text}</a> : text}
      </span>
    </span>
  )
}

export function Commit({ run }: { readonly run: From }) {
  const { sha, link } = commitOf(run)
  if (sha === '') return null
  const short = <code title={sha}>{sha.slice(0, 8)}</code>
  return link === undefined ? short : <a href={link}>{short}</a>
}
