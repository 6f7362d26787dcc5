// Where a GitLab is: its pages and its API, from the URL an administrator gave.

import { SlipwayError } from '../../lib/errors.ts'
import { pathSegment } from '../provider-http.ts'

/** `https://git.example.com/gitlab`, whether it was given so, with slashes at the end, or with `/api/v4`. */
export function gitlabWebUrl(apiUrl: string): string {
  return apiUrl
    .replace(/\/+$/, '')
    .replace(/\/api\/v4$/, '')
    .replace(/\/+$/, '')
}

export function gitlabApiUrl(apiUrl: string): string {
  return `${gitlabWebUrl(apiUrl)}/api/v4`
}

/** `project`: its id, or its path with all groups. Errors: `remote_repository_not_found` for nothing. */
export function projectPath(project: string): string {
  if (project === '') throw new SlipwayError('remote_repository_not_found', 'the path of the project is empty')
  return `/projects/${pathSegment(project)}`
}
