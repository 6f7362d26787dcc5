import { expect, test } from 'vitest'
import { runAnnotations } from './annotations.ts'
import { anEvent } from './run-config-fixture.ts'

test('a push to a branch of a project', () => {
  expect(
    runAnnotations({
      owner: { type: 'project', id: 'P1' },
      event: anEvent({ branch: 'feature/login', ref: 'refs/heads/feature/login', message: 'add login\n' }),
      trigger: 'webhook',
      links: { commit: 'https://git.example.org/c/9f1c', branch: 'https://git.example.org/b/feature/login' },
    }),
  ).toEqual({
    run_type: 'project',
    ref_type: 'branch',
    run_creation_trigger: 'webhook',
    webhook_event: '',
    webhook_sender: '',
    commit_sha: '9f1c',
    ref: 'refs/heads/feature/login',
    message: 'add login\n',
    commit_link: 'https://git.example.org/c/9f1c',
    compare_link: '',
    projectid: 'P1',
    branch: 'feature/login',
    branch_link: 'https://git.example.org/b/feature/login',
  })
})

test('a pull request has its number and link, and nothing about a branch', () => {
  const annotations = runAnnotations({
    owner: { type: 'project', id: 'P1' },
    event: anEvent({ refType: 'pull_request', branch: '', pullRequestId: '7', ref: 'refs/pull/7/head' }),
    trigger: 'webhook',
    links: { pullRequest: 'https://git.example.org/p/7' },
    webhookEvent: 'pull_request',
    webhookSender: 'ann',
  })
  expect(annotations).toMatchObject({
    ref_type: 'pull_request',
    pull_request_id: '7',
    pull_request_link: 'https://git.example.org/p/7',
    webhook_event: 'pull_request',
    webhook_sender: 'ann',
  })
  expect(Object.keys(annotations).filter((key) => /branch|tag/.test(key))).toEqual([])
})

test('a direct run of a tag belongs to a user and has empty links', () => {
  const annotations = runAnnotations({
    owner: { type: 'user', id: 'U1' },
    event: anEvent({ refType: 'tag', branch: '', tag: 'v0.1.0', ref: 'refs/tags/v0.1.0' }),
    trigger: 'manual',
  })
  expect(annotations).toMatchObject({ run_type: 'user', userid: 'U1', tag: 'v0.1.0', tag_link: '', commit_link: '' })
  expect(annotations).not.toHaveProperty('projectid')
})
