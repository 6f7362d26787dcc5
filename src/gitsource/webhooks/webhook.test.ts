// What webhooks of GitLab say, and those of Gitea and Forgejo that were not recorded; signatures and delivery keys of all of them.

import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { parseGitea } from './gitea.ts'
import { parseGitlab } from './gitlab.ts'
import {
  gitlabDeletion,
  gitlabMergeRequest,
  gitlabMergeRequestWith,
  gitlabNewBranch,
  gitlabPush,
  gitlabTag,
  payloadSha as sha,
} from './gitlab-payloads-fixture.ts'
import { recordedPayload } from './recorded-fixture.ts'
import { deliveryKeyOf, isSigned, parseWebhook, providerOf, type WebhookProvider } from './webhook.ts'

test.each([
  [
    'a push: the message is that of its last commit, not of its first',
    'Push Hook',
    gitlabPush,
    { kind: 'branch', branch: 'master', commitSha: sha, message: 'fixed readme', sender: 'jsmith' },
  ],
  [
    'a new branch that brings no commits',
    'Push Hook',
    gitlabNewBranch,
    { kind: 'branch', branch: 'new', commitSha: sha },
  ],
  [
    'an annotated tag: its commit, not the tag',
    'Tag Push Hook',
    gitlabTag,
    { kind: 'tag', tag: 'v1.0.0', commitSha: sha },
  ],
  [
    'a merge request by its number in the project',
    'Merge Request Hook',
    gitlabMergeRequest,
    {
      kind: 'pull_request',
      action: 'changed',
      pullRequestId: '1',
      ref: 'refs/merge-requests/1/head',
      commitSha: sha,
      isFork: false,
      message: 'MS-Viewport',
      targetBranch: 'master',
    },
  ],
  ['one from a fork', 'Merge Request Hook', gitlabMergeRequestWith({ source_project_id: 16 }), { isFork: true }],
  [
    'one from a fork that is gone',
    'Merge Request Hook',
    gitlabMergeRequestWith({ source_project_id: null }),
    { isFork: true },
  ],
  [
    'new commits',
    'Merge Request Hook',
    gitlabMergeRequestWith({ action: 'update', oldrev: 'x' }),
    { action: 'changed' },
  ],
  [
    'a label',
    'Merge Request Hook',
    gitlabMergeRequestWith({ action: 'update' }, { labels: { previous: [], current: [{}] } }),
    { action: 'labelled' },
  ],
  ['reopened', 'Merge Request Hook', gitlabMergeRequestWith({ action: 'reopen' }), { action: 'changed' }],
  ['closed', 'Merge Request Hook', gitlabMergeRequestWith({ action: 'close', state: 'closed' }), { action: 'closed' }],
  ['merged', 'Merge Request Hook', gitlabMergeRequestWith({ action: 'merge', state: 'merged' }), { action: 'closed' }],
])('GitLab, %s', (_, event, payload, expected) => {
  const repository = { repositoryId: '15', repositoryPath: 'mike/diaspora' }
  expect(parseGitlab(event, payload)).toMatchObject({ kind: 'event', ...repository, event: expected })
})

test.each([
  ['a deleted branch', 'Push Hook', gitlabDeletion],
  ['an approval', 'Merge Request Hook', gitlabMergeRequestWith({ action: 'approved' })],
  ['a new title', 'Merge Request Hook', gitlabMergeRequestWith({ action: 'update' }, { title: {} })],
  ['a merge request without commits', 'Merge Request Hook', gitlabMergeRequestWith({ last_commit: null })],
  ['a pipeline', 'Pipeline Hook', {}],
])('GitLab, %s starts nothing', (_, event, payload) => {
  expect(parseGitlab(event, payload)).toMatchObject({ kind: 'ignored' })
})

const giteaPush = recordedPayload('gitea', 'push')
const giteaTag = recordedPayload('gitea', 'annotated-tag')

/** A pull request as it is after these changes. */
function giteaPullRequest(action: string, changes: object = {}): object {
  const opened = recordedPayload('gitea', 'pull-request-opened')
  return { ...opened, action, pull_request: { ...(opened.pull_request as object), ...changes } }
}

test.each([
  [
    'a tag whose commit is not told: it is looked up',
    'push',
    { ...giteaTag, head_commit: null },
    { kind: 'tag', tag: 'v2' },
  ],
  [
    'one from a fork that is gone',
    'pull_request',
    giteaPullRequest('opened', { head: { sha, repo: null } }),
    { isFork: true },
  ],
  [
    'new commits, as older servers say it',
    'pull_request_sync',
    giteaPullRequest('synchronized'),
    { action: 'changed' },
  ],
  ['a label, as older servers say it', 'pull_request_label', giteaPullRequest('label_updated'), { action: 'labelled' }],
])('Gitea and Forgejo, %s', (_, event, payload, expected) => {
  const parsed = parseGitea(event, payload)
  expect(parsed).toMatchObject({ kind: 'event', repositoryId: '1', repositoryPath: 'ann/web', event: expected })
  if (event === 'push') expect(parsed).not.toHaveProperty('event.commitSha')
})

test.each([
  ['a comment', 'issue_comment', {}],
  ['labels that were taken off', 'pull_request', giteaPullRequest('label_cleared')],
  ['a pull request that is closed already', 'pull_request', giteaPullRequest('synchronized', { state: 'closed' })],
])('Gitea and Forgejo, %s starts nothing', (_, event, payload) => {
  expect(parseGitea(event, payload)).toMatchObject({ kind: 'ignored' })
})

const secret = 'the-secret'
const body = Buffer.from('{"ref":"refs/heads/main"}')
const hmac = (of: string) => createHmac('sha256', of).update(body).digest('hex')
const signatures: Readonly<Record<WebhookProvider, (of: string) => Record<string, string>>> = {
  github: (of) => ({ 'x-hub-signature-256': `sha256=${hmac(of)}` }),
  gitlab: (of) => ({ 'x-gitlab-token': of }),
  gitea: (of) => ({ 'x-gitea-signature': hmac(of) }),
  forgejo: (of) => ({ 'x-forgejo-signature': hmac(of) }),
}

test.each(Object.entries(signatures) as [WebhookProvider, (of: string) => Record<string, string>][])(
  '%s: only a signature with one of the secrets is right',
  (provider, sign) => {
    const check = (headers: Record<string, string>, secrets = [secret]) =>
      isSigned({ headers, body }, provider, secrets)
    expect(check(sign(secret))).toBe(true)
    expect(check(sign(secret), ['newer', secret])).toBe(true)
    expect(check(sign('other'))).toBe(false)
    expect(check({})).toBe(false)
    expect(check(sign(''), [''])).toBe(false)
    expect(check(sign(secret), [])).toBe(false)
    for (const [name, value] of Object.entries(sign(secret))) expect(check({ [name]: value.slice(0, -1) })).toBe(false)
  },
)

test('the provider is told by its own header, for some send those of others too', () => {
  const gitea = { 'x-gitea-event': 'push', 'x-gogs-event': 'push', 'x-github-event': 'push' }
  expect(providerOf(gitea)).toBe('gitea')
  expect(providerOf({ ...gitea, 'x-forgejo-event': 'push' })).toBe('forgejo')
  expect(providerOf({ 'x-github-event': 'push' })).toBe('github')
  expect(providerOf({ 'x-gitlab-event': 'Push Hook' })).toBe('gitlab')
  expect(providerOf({})).toBeUndefined()
})

test('a delivery has one key, however often it comes; another one has another', () => {
  const key = (headers: Record<string, string>, provider: WebhookProvider, of = body) =>
    deliveryKeyOf({ headers, body: of }, provider)
  expect(key({ 'x-github-delivery': 'a' }, 'github')).toBe(
    key({ 'x-github-delivery': 'a' }, 'github', Buffer.from('x')),
  )
  expect(key({ 'x-github-delivery': 'a' }, 'github')).not.toBe(key({ 'x-github-delivery': 'b' }, 'github'))
  expect(key({ 'x-gitlab-event-uuid': 'a' }, 'gitlab')).not.toBe(
    key({ 'x-gitlab-event-uuid': 'a' }, 'gitlab', Buffer.from('x')),
  )
  expect(key({ 'idempotency-key': 'i', 'x-gitlab-event-uuid': 'a' }, 'gitlab')).toBe(
    key({ 'idempotency-key': 'i' }, 'gitlab'),
  )
  expect(key({}, 'gitea')).toBe(key({}, 'gitea'))
})

test('a payload may come in a form', () => {
  const form = Buffer.from(new URLSearchParams({ payload: JSON.stringify(giteaPush) }).toString())
  const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8', 'x-gitea-event': 'push' }
  expect(parseWebhook({ headers, body: form }, 'gitea')).toMatchObject({ kind: 'event' })
  expect(() => parseWebhook({ headers, body: Buffer.from('a=b') }, 'gitea')).toThrow(
    expect.objectContaining({ code: 'request_invalid' }),
  )
})
