// What a real Gitea and a real Forgejo sent: the signature of the very bytes, and what each of them starts.

import { describe, expect, test } from 'vitest'
import { recorded, recordedNames, recordedPayload, recordedProviders, recordedSecret } from './recorded-fixture.ts'
import { deliveryKeyOf, eventNameOf, isSigned, parseWebhook, providerOf } from './webhook.ts'

const sha = expect.stringMatching(/^[0-9a-f]{40}$/)
const request = {
  kind: 'pull_request',
  pullRequestId: '1',
  ref: 'refs/pull/1/head',
  commitSha: sha,
  sender: 'ann',
  targetBranch: 'main',
  isFork: false,
}
const ofFork = { ...request, pullRequestId: '2', ref: 'refs/pull/2/head', sender: 'bob', isFork: true }

const started: Readonly<Record<string, object>> = {
  push: { kind: 'branch', branch: 'main', ref: 'refs/heads/main', message: 'Third\n\nWith a body.', sender: 'ann' },
  // The button that tries a hook tells the newest commit once more.
  'test-delivery': { kind: 'branch', branch: 'main', message: 'Third\n\nWith a body.' },
  'new-branch': { kind: 'branch', branch: 'feature/a', ref: 'refs/heads/feature/a', message: 'A' },
  'new-branch-same-commit': { kind: 'branch', branch: 'same', message: 'Third\n\nWith a body.' },
  tag: { kind: 'tag', tag: 'v1', ref: 'refs/tags/v1', commitSha: sha },
  'annotated-tag': { kind: 'tag', tag: 'v2', ref: 'refs/tags/v2', commitSha: sha },
  'pull-request-opened': { ...request, action: 'changed', message: 'Feature A' },
  'pull-request-synchronized': { ...request, action: 'changed', message: 'Feature A' },
  'pull-request-labelled': { ...request, action: 'labelled' },
  'pull-request-closed': { ...request, action: 'closed', message: 'Feature A, edited' },
  'pull-request-reopened': { ...request, action: 'changed' },
  'pull-request-merged': { ...request, action: 'closed' },
  'fork-pull-request-opened': { ...ofFork, action: 'changed', message: 'From Bob' },
  'fork-gone-pull-request-closed': { ...ofFork, action: 'closed' },
}

const ignored: Readonly<Record<string, string>> = {
  'deleted-branch': 'events of type "delete" start nothing',
  'deleted-tag': 'refs/tags/v1 was deleted',
  'pull-request-edited': 'a pull request that is edited starts nothing',
  // Closed with its fork.
  'fork-gone-pull-request-labelled': 'the pull request is not open',
}

describe.each(recordedProviders)('what %s sent', (provider) => {
  test('is all there, and nothing besides', () => {
    expect(recordedNames(provider).toSorted()).toEqual([...Object.keys(started), ...Object.keys(ignored)].toSorted())
  })

  test.each([...Object.keys(started), ...Object.keys(ignored)])(
    '%s is signed with its secret, byte by byte',
    (name) => {
      const webhook = recorded(provider, name)
      expect(providerOf(webhook.headers)).toBe(provider)
      expect(webhook.body).toHaveLength(Number(webhook.headers['content-length']))
      expect(isSigned(webhook, provider, [recordedSecret])).toBe(true)
      expect(isSigned(webhook, provider, [`${recordedSecret}x`])).toBe(false)
      const written = { ...webhook, body: Buffer.from(JSON.stringify(JSON.parse(webhook.body.toString('utf8')))) }
      expect(isSigned(written, provider, [recordedSecret])).toBe(false)
      expect(deliveryKeyOf(webhook, provider)).toBe(`${provider}:${webhook.headers[`x-${provider}-delivery`]}`)
    },
  )

  test.each(Object.entries(started))('%s is an event of its repository', (name, event) => {
    const parsed = parseWebhook(recorded(provider, name), provider)
    expect(parsed).toMatchObject({ kind: 'event', repositoryId: '1', repositoryPath: 'ann/web', event })
    const { after, pull_request } = recordedPayload(provider, name) as {
      readonly after?: string
      readonly pull_request?: { readonly head: { readonly sha: string } }
    }
    if (name !== 'annotated-tag') expect(parsed).toHaveProperty('event.commitSha', after ?? pull_request?.head.sha)
    const web = `https://${provider}.example.com/ann/web`
    const links = Object.values((parsed as { readonly event: { readonly links: object } }).event.links)
    expect(links.length).toBeGreaterThan(1)
    for (const link of links) expect(link).toMatch(new RegExp(`^${web}/(commit|compare|src|pulls)/`))
  })

  test('an annotated tag is at its commit, not at itself', () => {
    const parsed = parseWebhook(recorded(provider, 'annotated-tag'), provider)
    const { after } = recordedPayload(provider, 'annotated-tag')
    expect(after).toMatch(/^[0-9a-f]{40}$/)
    // Both tags were put on one commit.
    const light = recordedPayload(provider, 'tag').after
    expect(parsed).toHaveProperty('event.commitSha', light)
    expect(after).not.toBe(light)
  })

  test.each(Object.entries(ignored))('%s starts nothing, and says why', (name, why) => {
    const webhook = recorded(provider, name)
    expect(parseWebhook(webhook, provider), eventNameOf(webhook.headers, provider)).toMatchObject({
      kind: 'ignored',
      repositoryId: '1',
      why,
    })
  })
})
