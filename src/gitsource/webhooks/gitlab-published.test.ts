// GitLab's own published examples, unedited: each is understood or left alone, none is an accident.

import { describe, expect, test } from 'vitest'
import { gitlabPublished, gitlabPublishedNames, isGitlabPublished } from './gitlab-published-fixture.ts'
import { type ParsedWebhook, parseWebhook } from './webhook.ts'

function parsed(name: string): ParsedWebhook {
  const { event, body } = gitlabPublished(name)
  return parseWebhook({ headers: { 'content-type': 'application/json', 'x-gitlab-event': event }, body }, 'gitlab')
}

test.runIf(process.env.CI !== undefined)('the examples are installed', () => {
  expect(isGitlabPublished).toBe(true)
})

describe.runIf(isGitlabPublished)('of the published examples', () => {
  test('a push is its branch at the newest of its commits, with the message of that one', () => {
    expect(parsed('push')).toEqual({
      kind: 'event',
      repositoryId: '15',
      repositoryPath: 'mike/diaspora',
      event: {
        kind: 'branch',
        branch: 'master',
        ref: 'refs/heads/master',
        commitSha: 'da1560886d4f094c3e6c9ef40349f7d38b5d27d7',
        message: 'fixed readme',
        sender: 'jsmith',
        links: {
          commit: 'http://example.com/mike/diaspora/-/commit/da1560886d4f094c3e6c9ef40349f7d38b5d27d7',
          branch: 'http://example.com/mike/diaspora/-/tree/master',
        },
      },
    })
  })

  test('a tag is at its commit, and the message of that one is not the message of the tag', () => {
    expect(parsed('tag_push')).toEqual({
      kind: 'event',
      repositoryId: '1',
      repositoryPath: 'jsmith/example',
      event: {
        kind: 'tag',
        tag: 'v1.0.0',
        ref: 'refs/tags/v1.0.0',
        commitSha: '82b3d5ae55f7080f1e6022629cdb57bfae7cccc7',
        sender: 'jsmith',
        links: {
          commit: 'http://example.com/jsmith/example/-/commit/82b3d5ae55f7080f1e6022629cdb57bfae7cccc7',
          tag: 'http://example.com/jsmith/example/-/tags/v1.0.0',
        },
      },
    })
  })

  test('a merge request is known by its number in the project', () => {
    expect(parsed('merge_request')).toEqual({
      kind: 'event',
      repositoryId: '1',
      repositoryPath: 'gitlabhq/gitlab-test',
      event: {
        kind: 'pull_request',
        action: 'changed',
        pullRequestId: '1',
        ref: 'refs/merge-requests/1/head',
        commitSha: 'da1560886d4f094c3e6c9ef40349f7d38b5d27d7',
        message: 'MS-Viewport',
        sender: 'user1',
        targetBranch: 'master',
        isFork: false,
        links: {
          commit: 'http://example.com/awesome_space/awesome_project/commits/da1560886d4f094c3e6c9ef40349f7d38b5d27d7',
          pullRequest: 'http://example.com/diaspora/merge_requests/1',
        },
      },
    })
  })

  test('an update of a merge request that names the commit before brings new commits', () => {
    expect(parsed('service_merge_request')).toMatchObject({
      kind: 'event',
      repositoryId: '2',
      repositoryPath: 'test/woodpecker',
      event: {
        kind: 'pull_request',
        action: 'changed',
        pullRequestId: '2',
        commitSha: '0ab96a10266b95b4b533dcfd98738015fbe70889',
        message: 'Update client.go 🎉',
        sender: 'test',
        targetBranch: 'master',
        isFork: false,
      },
    })
  })

  test('one whose members are misspelt, with a space behind each name, is refused by what is missing', () => {
    expect(() => parsed('group_merge_request')).toThrow(
      expect.objectContaining({ code: 'request_invalid', message: expect.stringContaining('iid') }),
    )
  })

  test('the others start nothing, and say why', () => {
    const started = ['push', 'tag_push', 'merge_request', 'service_merge_request', 'group_merge_request']
    const others = gitlabPublishedNames().filter((name) => !started.includes(name))
    expect(others.length).toBeGreaterThan(8)
    for (const name of others)
      expect(parsed(name), name).toMatchObject({ kind: 'ignored', why: expect.stringContaining('start nothing') })
  })
})
