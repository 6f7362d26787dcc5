// GitHub's own published examples, unedited: each is understood or left alone, none is an accident.

import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import type { RepositoryEvent } from '../repository-event.ts'
import { parseGithub } from './github.ts'

type Examples = readonly { readonly name: string; readonly examples: readonly Record<string, unknown>[] }[]
const load = createRequire(import.meta.url)
const examples = load('@octokit/webhooks-examples/api.github.com/index.json') as Examples
const enterprise = load('@octokit/webhooks-examples/ghes-35/index.json') as Examples
const of = (name: string) => examples.find((one) => one.name === name)!.examples

const eventsOf = (name: string) =>
  of(name).flatMap((payload): RepositoryEvent[] => {
    const parsed = parseGithub(name, payload)
    return parsed.kind === 'event' ? [parsed.event] : []
  })

test('every published example of every event is understood or ignored with a reason', () => {
  let count = 0
  for (const { name, examples: payloads } of [...examples, ...enterprise])
    for (const payload of payloads) {
      const parsed = parseGithub(name, payload)
      if (parsed.kind === 'ignored') expect(parsed.why).not.toBe('')
      else expect(['push', 'pull_request']).toContain(name)
      count++
    }
  expect(count).toBeGreaterThan(300)
})

test('pushes to branches and of tags, and deletions, which start nothing', () => {
  const kinds = of('push').map((payload) => {
    const parsed = parseGithub('push', payload)
    return parsed.kind === 'event' ? `${parsed.event.kind} ${parsed.event.commitSha}` : parsed.why
  })
  expect(kinds).toContain('refs/tags/simple-tag was deleted')
  for (const event of eventsOf('push')) {
    expect(event.commitSha).toMatch(/^[0-9a-f]{40}$/)
    expect(event.sender).not.toBe('')
    expect(event.links.commit).toContain(`/commit/${event.commitSha}`)
  }
})

test('pull requests by their number, with what they are from', () => {
  const payloads = of('pull_request')
  const started = payloads.filter((payload) => parseGithub('pull_request', payload).kind === 'event')
  expect([...new Set(started.map((payload) => payload.action))].toSorted()).toEqual(
    expect.arrayContaining(['closed', 'labeled', 'opened', 'reopened', 'synchronize']),
  )
  for (const payload of started) {
    const parsed = parseGithub('pull_request', payload)
    if (parsed.kind !== 'event' || parsed.event.kind !== 'pull_request') throw new Error('no pull request')
    expect(parsed.event.pullRequestId).toBe(String((payload as { number: number }).number))
    expect(parsed.event.ref).toBe(`refs/pull/${parsed.event.pullRequestId}/head`)
    expect(parsed.repositoryId).toMatch(/^\d+$/)
  }
})

const pullRequest = (head: unknown) => ({
  action: 'opened',
  pull_request: {
    number: 2,
    state: 'open',
    title: 't',
    head: { sha: 'a'.repeat(40), repo: head },
    base: { repo: { id: 1 } },
  },
})

test.each([
  ['the same repository', { id: 1, url: 'renamed meanwhile' }, false],
  ['a fork', { id: 2 }, true],
  ['a fork that was deleted', null, true],
])('a pull request from %s', (_, head, isFork) => {
  expect(parseGithub('pull_request', pullRequest(head))).toMatchObject({ kind: 'event', event: { isFork } })
})

test('an annotated tag is its head commit, not the tag', () => {
  const payload = {
    ref: 'refs/tags/v1',
    after: 'b'.repeat(40),
    head_commit: { id: 'a'.repeat(40), message: 'x [ci skip]' },
  }
  const parsed = parseGithub('push', payload)
  expect(parsed).toMatchObject({ event: { kind: 'tag', tag: 'v1', commitSha: 'a'.repeat(40) } })
  expect(parsed.kind === 'event' && parsed.event.message).toBeFalsy()
})

test.each([
  ['a ref with an option in it', { ref: '--upload-pack=x', after: 'a'.repeat(40) }],
  ['a ref that is two', { ref: 'refs/heads/a:refs/heads/b', after: 'a'.repeat(40) }],
  ['a ref that climbs', { ref: 'refs/heads/../x', after: 'a'.repeat(40) }],
  ['no ref', { after: 'a'.repeat(40) }],
  ['half a commit', { ref: 'refs/heads/a', after: 'abc' }],
  ['a list', []],
  ['nothing', null],
])('%s is refused', (_, payload) => {
  expect(() => parseGithub('push', payload)).toThrow(expect.objectContaining({ code: 'request_invalid' }))
})

test('a link that is no web address is left out', () => {
  const payload = {
    ref: 'refs/heads/a',
    after: 'a'.repeat(40),
    compare: 'javascript:alert(1)',
    repository: { html_url: 'data:x' },
  }
  expect(parseGithub('push', payload)).toMatchObject({ event: { links: {} } })
})
