// The repositories of projects for the gateway of this process: with git itself, by their URLs. What was fetched is kept below the
// data directory, one folder for each project and URL.

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Configstore } from '../../configstore/api.ts'
import type { ProjectSources } from '../../gateway/project-sources.ts'
import { PlainGit } from '../../gitsource/plain-git.ts'
import type { Clock } from '../../lib/clock.ts'
import { repositoryOf } from './project-repository.ts'

export type ProjectSourcesComponents = {
  readonly configstore: Pick<Configstore, 'projectCredentials' | 'getRemoteSource'>
  readonly clock: Clock
}

export function projectSources(
  { directory }: { readonly directory: string },
  { configstore, clock }: ProjectSourcesComponents,
): ProjectSources {
  return {
    open: async (project) => {
      const repository = await repositoryOf(project, configstore)
      if (repository === undefined) return undefined
      const { url, access } = repository
      const name = createHash('sha256').update(url).digest('hex').slice(0, 16)
      const cacheDir = join(directory, `${project.id}-${name}`)
      return {
        source: new PlainGit({ ...access, url, cacheDir }, { clock }),
        cloneUrl: url,
        ...(access.sshHostKey === undefined ? {} : { sshHostKey: access.sshHostKey }),
        skipSshHostKeyCheck: access.skipSshHostKeyCheck ?? false,
      }
    },
  }
}
