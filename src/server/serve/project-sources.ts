// The repositories of projects for the gateway of this process: by the API of their provider, or with git itself by their URLs. What git
// fetched is kept below the data directory, one folder for each project and URL, and is made anew now and then so that it does not grow for ever.

import { createHash } from 'node:crypto'
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Configstore } from '../../configstore/api.ts'
import type { ProjectSources } from '../../gateway/runs/project-sources.ts'
import { PlainGit } from '../../gitsource/plain-git.ts'
import type { Clock } from '../../lib/clock.ts'
import { ignoring } from '../../lib/errno.ts'
import { tryFileLock } from '../../lib/file-lock.ts'
import { repositoryOf } from './project-repository.ts'
import type { RecentRepositories } from './recent-repositories.ts'
import { openRemoteRepository } from './remote-repository.ts'

export type ProjectSourcesComponents = {
  readonly configstore: Pick<Configstore, 'projectCredentials' | 'getRemoteSource'>
  readonly repositories: RecentRepositories
  readonly clock: Clock
}

/** What was fetched is commits and folders without contents: a week of it is little, and little to fetch again. */
const cacheAgeMs = 7 * 24 * 60 * 60 * 1000

export function projectSources(
  { directory }: { readonly directory: string },
  { configstore, repositories, clock }: ProjectSourcesComponents,
): ProjectSources {
  return {
    open: async (project, signal, asked) => {
      if (project.source.kind === 'remotesource')
        return await openRemoteRepository(project, project.source, { configstore, repositories, asked }, signal)
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

/** Removes what was begun a week ago and nobody fetches into now; the next one who needs it begins anew. */
export async function cleanRepositories(directory: string, clock: Clock): Promise<void> {
  for (const name of (await readdir(directory).catch(ignoring('ENOENT'))) ?? []) {
    const folder = join(directory, name)
    const { birthtimeMs } = await stat(folder)
    if (clock.now() - birthtimeMs < cacheAgeMs) continue
    using lock = tryFileLock(join(folder, 'lock'))
    if (lock !== undefined) await rm(folder, { recursive: true, force: true })
  }
}
