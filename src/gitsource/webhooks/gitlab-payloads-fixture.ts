// Payloads of GitLab, written from its documentation, with the members that are read and some that mislead.

const sha = 'da1560886d4f094c3e6c9ef40349f7d38b5d27d7'
const before = '95790bf891e76fee5e1747ab589903a6a1f80f22'
const tagObject = '82b3d5ae55f7080f1e6022629cdb57bfae7cccc7'
const zero = '0'.repeat(40)

/** docs.gitlab.com, "Webhook events": push, tag and merge request events. */
const gitlabProject = {
  id: 15,
  name: 'Diaspora',
  web_url: 'http://example.com/mike/diaspora',
  git_ssh_url: 'git@example.com:mike/diaspora.git',
  path_with_namespace: 'mike/diaspora',
  default_branch: 'master',
}
export const gitlabPush = {
  object_kind: 'push',
  event_name: 'push',
  before,
  after: sha,
  ref: 'refs/heads/master',
  checkout_sha: sha,
  user_name: 'John Smith',
  user_username: 'jsmith',
  project_id: 15,
  project: gitlabProject,
  commits: [
    {
      id: 'b6568db1bc1dcd7f8b4d5a946b0b91f9dacd7327',
      message: 'Update Catalan translation [ci skip]',
      url: 'http://example.com/c/1',
    },
    { id: sha, message: 'fixed readme', url: 'http://example.com/c/2' },
  ],
  total_commits_count: 4,
}
export const gitlabNewBranch = {
  ...gitlabPush,
  before: zero,
  ref: 'refs/heads/new',
  commits: [],
  total_commits_count: 0,
}
export const gitlabDeletion = { ...gitlabPush, after: zero, checkout_sha: null, commits: [] }
export const gitlabTag = {
  ...gitlabPush,
  object_kind: 'tag_push',
  event_name: 'tag_push',
  before: zero,
  after: tagObject,
  ref: 'refs/tags/v1.0.0',
  commits: [],
}
export const gitlabMergeRequest = {
  object_kind: 'merge_request',
  event_type: 'merge_request',
  user: { id: 1, name: 'Administrator', username: 'root' },
  project: gitlabProject,
  object_attributes: {
    id: 99,
    iid: 1,
    target_branch: 'master',
    source_branch: 'ms-viewport',
    source_project_id: 15,
    target_project_id: 15,
    title: 'MS-Viewport',
    state: 'opened',
    action: 'open',
    url: 'http://example.com/diaspora/merge_requests/1',
    last_commit: { id: sha, message: 'fixed readme', url: 'http://example.com/c/2' },
  },
  labels: [],
  changes: {},
}

/** A merge request as it is after these changes. */
export const gitlabMergeRequestWith = (attributes: object, changes: object = {}): object => ({
  ...gitlabMergeRequest,
  object_attributes: { ...gitlabMergeRequest.object_attributes, ...attributes },
  changes,
})

export const payloadSha = sha
