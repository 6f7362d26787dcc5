// Where a GitHub is: its pages and its API, from the URL an administrator gave. github.com and companies on ghe.com have their API on a
// host of its own, an Enterprise Server below `/api/v3`.

import { pathSegment } from '../provider-http.ts'

export type GithubAddress = {
  /** Both without a slash at the end. */
  readonly apiUrl: string
  readonly webUrl: string
}

/** `https://api.github.com/`, `https://github.example.com`, `https://github.example.com/api/v3/`. */
export function githubAddress(given: string): GithubAddress {
  const url = new URL(given)
  const host = url.host.toLowerCase()
  if (['github.com', 'www.github.com', 'api.github.com'].includes(host))
    return { apiUrl: 'https://api.github.com', webUrl: 'https://github.com' }
  const company = /^(?:api\.)?([^.]+\.ghe\.com)$/.exec(host)?.[1]
  if (company !== undefined) return { apiUrl: `https://api.${company}`, webUrl: `https://${company}` }
  const webUrl = `${url.origin}${url.pathname}`.replace(/\/+$/, '').replace(/\/api(\/v3)?$/, '')
  return { apiUrl: `${webUrl}/api/v3`, webUrl }
}

/**
 * By its id, below which GitHub has all that is below its path: there it sends who asks for the old path of a renamed repository. A path
 * may by now be that of another one.
 */
export function repositoryById(id: string): string {
  return `/repositories/${pathSegment(id)}`
}
