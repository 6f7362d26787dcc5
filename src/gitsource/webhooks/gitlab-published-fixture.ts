// The examples of GitLab's documentation, unedited, as Debian's package golang-github-xanzy-go-gitlab-dev has them.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = '/usr/share/gocode/src/github.com/xanzy/go-gitlab/testdata/webhooks'

export const isGitlabPublished = existsSync(folder)

/** `push`, `tag_push`, `merge_request`, `note_issue` and so on. */
export function gitlabPublishedNames(): readonly string[] {
  return readdirSync(folder).map((file) => file.replace(/\.json$/, ''))
}

/** Its bytes, as they would be sent, and the header that says what it is of. */
export function gitlabPublished(name: string): { readonly event: string; readonly body: Buffer } {
  const body = readFileSync(join(folder, `${name}.json`))
  const { object_kind, event_name } = JSON.parse(body.toString('utf8')) as Readonly<Record<string, string>>
  return { event: headers[object_kind ?? ''] ?? `${event_name} Hook`, body }
}

const headers: Readonly<Record<string, string>> = {
  push: 'Push Hook',
  tag_push: 'Tag Push Hook',
  merge_request: 'Merge Request Hook',
  issue: 'Issue Hook',
  note: 'Note Hook',
  pipeline: 'Pipeline Hook',
  build: 'Job Hook',
  wiki_page: 'Wiki Page Hook',
  deployment: 'Deployment Hook',
  release: 'Release Hook',
}
