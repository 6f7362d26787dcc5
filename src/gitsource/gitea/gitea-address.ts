// Where a Gitea or Forgejo is: its pages and its API, from the URL an administrator gave.

import { SlipwayError } from '../../lib/errors.ts'
import { pathSegment } from '../provider-http.ts'

/** `https://git.example.com/gitea`, whether it was given so, with slashes at the end, or with `/api/v1`. */
export function giteaWebUrl(apiUrl: string): string {
  return apiUrl
    .replace(/\/+$/, '')
    .replace(/\/api\/v1$/, '')
    .replace(/\/+$/, '')
}

export function giteaApiUrl(apiUrl: string): string {
  return `${giteaWebUrl(apiUrl)}/api/v1`
}

/** `path`: OWNER/NAME. Errors: `remote_repository_not_found` for any other. */
export function repositoryPath(path: string): string {
  const [owner = '', name = '', ...more] = path.split('/')
  const isDots = /^\.{1,2}$/
  if (owner === '' || name === '' || isDots.test(owner) || isDots.test(name) || more.length > 0)
    throw new SlipwayError(
      'remote_repository_not_found',
      `${JSON.stringify(path)} is no path of a repository: OWNER/NAME`,
    )
  return `/repos/${pathSegment(owner)}/${pathSegment(name)}`
}
