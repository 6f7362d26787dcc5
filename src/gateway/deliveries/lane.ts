// Deliveries whose work asks the same server are of one lane, and a lane has only some of the places: a server that hangs keeps nobody
// waiting but those whose repositories it has.

import type { Project } from '../../configstore/types.ts'
import { hostOf } from '../../lib/same-host.ts'
import type { Delivery } from './delivery.ts'

/** Undefined when the project has no repository. */
export function laneOfProject({ source }: Pick<Project, 'source'>): string | undefined {
  switch (source.kind) {
    case 'remotesource':
      return `source/${source.remoteSourceId}`
    case 'git':
      return laneOfUrl(source.url)
    default:
      return undefined
  }
}

export function laneOfUrl(url: string): string | undefined {
  const host = hostOf(url)
  return host === undefined ? undefined : `host/${host}`
}

export function laneOf({ lane, projectId }: Pick<Delivery, 'lane' | 'projectId'>): string {
  return lane ?? `project/${projectId}`
}
