// GitLab's own published examples, byte by byte, over HTTP: with its token they become runs, without it nothing.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aUser } from '../../configstore/configstore-fixture.ts'
import { gitlabPublished, isGitlabPublished } from '../../gitsource/webhooks/gitlab-published-fixture.ts'
import { openTestGateway, type TestGateway } from '../gateway-fixture.ts'
import { type FakeRepository, fakeSources } from '../repository-fixture.ts'
import { aHookedProject, type Hooked, withDefinition } from './deliveries-fixture.ts'

test.runIf(process.env.CI !== undefined)('the examples are installed', () => {
  expect(isGitlabPublished).toBe(true)
})

describe.runIf(isGitlabPublished)('of the published examples', () => {
  let gateway: TestGateway
  const repositories = new Map<string, FakeRepository>()

  beforeAll(async () => {
    gateway = await openTestGateway({ sources: fakeSources(repositories) })
    await aUser(gateway.configstore, 'ann')
  })
  afterAll(async () => await gateway?.[Symbol.asyncDispose]())

  async function send(project: Hooked, name: string, token: string | undefined): Promise<number> {
    const { event, body } = gitlabPublished(name)
    const response = await fetch(`${gateway.url}/webhooks/${project.id}`, {
      method: 'POST',
      body: new Uint8Array(body),
      headers: {
        'content-type': 'application/json',
        'x-gitlab-event': event,
        ...(token === undefined ? {} : { 'x-gitlab-token': token }),
      },
    })
    await response.arrayBuffer()
    return response.status
  }

  test.each([
    [
      'push',
      'branch/master',
      'da1560886d4f094c3e6c9ef40349f7d38b5d27d7',
      { branch: 'master', message: 'fixed readme' },
    ],
    ['tag_push', 'tag/v1.0.0', '82b3d5ae55f7080f1e6022629cdb57bfae7cccc7', { tag: 'v1.0.0', message: 'Tag v1.0.0' }],
    [
      'merge_request',
      'pr/1',
      'da1560886d4f094c3e6c9ef40349f7d38b5d27d7',
      { pull_request_id: '1', message: 'MS-Viewport' },
    ],
    [
      'service_merge_request',
      'pr/2',
      '0ab96a10266b95b4b533dcfd98738015fbe70889',
      { pull_request_id: '2', message: 'Update client.go 🎉' },
    ],
  ])('%s becomes the run of %s, with the token of its project only', async (name, group, sha, annotations) => {
    const project = await aHookedProject(gateway, repositories)
    project.repository.alias(sha, project.repository.push('refs/heads/main', 'work', withDefinition()))
    for (const token of [undefined, '', 'guessed', project.secret.slice(1)])
      expect(await send(project, name, token), token).toBe(403)
    expect(await project.runs()).toEqual([])
    expect(await send(project, name, project.secret)).toBe(202)
    expect(await project.runs()).toMatchObject([
      { name: 'build', group: `/project/${project.id}/${group}`, annotations: { commit_sha: sha, ...annotations } },
    ])
    // It is the same one, when it comes again without any id of its delivery.
    expect(await send(project, name, project.secret)).toBe(202)
    expect(await project.runs()).toHaveLength(1)
  })

  test('the misspelt one is refused and recorded', async () => {
    const project = await aHookedProject(gateway, repositories)
    expect(await send(project, 'group_merge_request', project.secret)).toBe(400)
    expect((await project.deliveries())[0]).toMatchObject({
      source: 'gitlab',
      state: 'failed',
      message: expect.stringContaining('iid'),
    })
  })
})
