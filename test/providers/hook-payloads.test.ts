// The hooks that the provider servers send have the members of what the providers published or really sent, of the same types.

import { createRequire } from 'node:module'
import { describe, expect, test } from 'vitest'
import { parseGitlab } from '../../src/gitsource/webhooks/gitlab.ts'
import {
  gitlabPublished,
  gitlabPublishedNames,
  isGitlabPublished,
} from '../../src/gitsource/webhooks/gitlab-published-fixture.ts'
import {
  type RecordedProvider,
  recorded,
  recordedNames,
  recordedPayload,
} from '../../src/gitsource/webhooks/recorded-fixture.ts'
import type { ProviderFlavour } from './flavour.ts'
import { forgejoFlavour, giteaFlavour } from './gitea-server.ts'
import { githubFlavour } from './github-server.ts'
import { gitlabFlavour } from './gitlab-server.ts'
import { membersOf, membersRead, strangersTo } from './payload-members.ts'
import { ProviderServer } from './provider-server.ts'

/** With a hook for everything: what it is told of a branch, a tag and a pull request in all their states. */
async function openWorld(flavour: ProviderFlavour, events: readonly string[]) {
  const server = await ProviderServer.open(flavour)
  const alice = server.createUser('alice')
  const web = await server.createRepository('acme/web', { administrator: alice, files: { a: 'b' }, isPrivate: true })
  web.hooks.push({ id: 1, url: 'http://127.0.0.1:1/', secret: 's', events, isActive: true, contentType: 'json' })
  await web.commit({ files: { a: 'c' }, branch: 'change' })
  await web.tag('v1')
  const pullRequest = await web.openPullRequest({ branch: 'change' })
  await web.labelPullRequest(pullRequest, 'ready')
  await web.commit({ files: { a: 'd' }, branch: 'change' })
  await web.closePullRequest(pullRequest)
  await web.mergePullRequest(await web.openPullRequest({ branch: 'change' }))
  await web.removeRef('refs/heads/change')
  await server.settled()
  return { server, alice, web, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

type Examples = readonly { readonly name: string; readonly examples: readonly object[] }[]

test.each(['push', 'pull_request', 'ping'])(
  'members of a %s hook of GitHub are those of the published examples, of the same types',
  async (name) => {
    await using world = await openWorld(githubFlavour, ['push', 'pull_request'])
    const { server, alice } = world
    await fetch(`${server.url}/api/v3/repos/acme/web/hooks`, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.createToken(alice).text}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'web', config: { url: 'http://127.0.0.1:1/other' } }),
    })
    await server.settled()
    const examples = createRequire(import.meta.url)('@octokit/webhooks-examples/api.github.com/index.json') as Examples
    const known = membersOf(examples.find((one) => one.name === name)!.examples)
    const ours = server.deliveries.filter(({ headers }) => headers['x-github-event'] === name)
    expect(ours.length).toBeGreaterThan(0)
    const found = membersOf(ours.map(({ body }) => JSON.parse(bodyOf(body)) as object))
    for (const [path, types] of found) {
      // A repository without code has no language.
      if (path.endsWith('.language')) types.delete('null')
      // No example is of one that was merged.
      if (path === '.pull_request.merged_at') types.delete('string')
      if (!known.has(path) && laterAtGithub.test(path)) found.delete(path)
    }
    expect(strangersTo(known, found)).toEqual([])
  },
)

/** Came after the examples were taken, or is empty in all of them. */
const laterAtGithub =
  /\b(visibility|topics|has_discussions|is_template|deliveries_url|network_count|subscribers_count|permissions)\b|\.modified\[\]$/

const bodyOf = (body: string) => (body.startsWith('payload=') ? (new URLSearchParams(body).get('payload') ?? '') : body)

describe.runIf(isGitlabPublished)('hooks of GitLab and its published examples', () => {
  const events = ['push_events', 'tag_push_events', 'merge_requests_events']

  test.each(['Push Hook', 'Tag Push Hook', 'Merge Request Hook'])(
    'members of a %s are of the same types, and what is read of it is there',
    async (name) => {
      await using world = await openWorld(gitlabFlavour, events)
      const published = gitlabPublishedNames()
        .map(gitlabPublished)
        .filter(({ event }) => event === name)
      const known = membersOf(published.map(({ body }) => JSON.parse(body.toString('utf8')) as object))
      const ours = world.server.deliveries.filter(({ headers }) => headers['x-gitlab-event'] === name)
      expect(ours.length).toBeGreaterThan(0)
      const payloads = ours.map(({ body }) => JSON.parse(body) as object)
      const found = membersOf(payloads)
      for (const [path, types] of found) {
        if (known.has(path)) types.delete('null')
        else if (laterAtGitlab.test(path)) found.delete(path)
      }
      expect(strangersTo(known, found)).toEqual([])
      const read = payloads.map((payload) => membersRead(payload, (watched) => parseGitlab(name, watched)))
      // A deletion has no commit, and of no example is one.
      for (const members of read) members.get('.checkout_sha')?.delete('null')
      expect(read.flatMap((members) => strangersTo(known, members))).toEqual([])
      expect(read.flatMap((members) => [...members.keys()])).toContain('.project.path_with_namespace')
    },
  )
})

/** Came after the examples were taken; nothing of it is read. */
const laterAtGitlab =
  /^\.(event_name|ref_protected|message|push_options|user_email|object_attributes\.(draft|labels\b.*))$/

describe.each([giteaFlavour, forgejoFlavour])('hooks of $name and what one really sent', (flavour) => {
  const provider = flavour.type as RecordedProvider

  test.each(['push', 'pull_request'])('members of %s are the same, of the same types', async (name) => {
    await using world = await openWorld(flavour, ['push', 'pull_request', 'pull_request_sync', 'pull_request_label'])
    const header = `x-${provider}-event`
    const known = membersOf(
      recordedNames(provider)
        .filter((each) => recorded(provider, each).headers[header] === name)
        .map((each) => recordedPayload(provider, each)),
    )
    const ours = world.server.deliveries.filter(({ headers }) => headers[header] === name)
    expect(ours.length).toBeGreaterThan(1)
    const found = membersOf(ours.map(({ body }) => JSON.parse(body) as object))
    // Came to Forgejo after the one that was recorded; it is not read.
    if (provider === 'forgejo') found.delete('.pull_request.draft')
    expect(strangersTo(known, found)).toEqual([])
  })

  test('its headers are the same', async () => {
    await using world = await openWorld(flavour, ['push'])
    const { headers } = recorded(provider, 'push')
    const known = Object.keys(headers).filter((name) => !['user-agent', 'content-length'].includes(name))
    expect(Object.keys(world.server.deliveries[0]!.headers).toSorted()).toEqual(known.toSorted())
  })
})
