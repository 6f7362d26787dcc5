import { SlipwayError } from '../lib/errors.ts'
import { pathSegment } from './provider-http.ts'

/** Where the APIs of GitHub, Gitea and Forgejo have what is below `path`: OWNER/NAME. Errors: `remote_repository_not_found` for any other. */
export function repositoryByPath(path: string): string {
  const [owner = '', name = '', ...more] = path.split('/')
  const isDots = /^\.{1,2}$/
  if (owner === '' || name === '' || isDots.test(owner) || isDots.test(name) || more.length > 0)
    throw new SlipwayError(
      'remote_repository_not_found',
      `${JSON.stringify(path)} is no path of a repository: OWNER/NAME`,
    )
  return `/repos/${pathSegment(owner)}/${pathSegment(name)}`
}
