// A project of a repository that was empty learns its default branch from the first push. Providers say for a moment that nothing is there
// when something was just pushed, so it is asked for until one says it.

import type { Configstore } from '../../configstore/api.ts'
import type { Project } from '../../configstore/types.ts'
import type { GitSource } from '../../gitsource/git-source.ts'
import type { RepositoryEvent } from '../../gitsource/repository-event.ts'

/** Never rejects: runs do not wait for a name that the next push brings, too. */
export async function noteDefaultBranch(
  { id, version, source, defaultBranch }: Project,
  event: Pick<RepositoryEvent, 'kind'>,
  repository: Pick<GitSource, 'findDefaultBranch'>,
  configstore: Pick<Configstore, 'updateProject'>,
  signal: AbortSignal,
): Promise<void> {
  if (event.kind !== 'branch' || source.kind !== 'remotesource' || defaultBranch !== undefined) return
  try {
    const found = await repository.findDefaultBranch(signal)
    // Whoever changed the project meanwhile may have chosen one.
    if (found !== undefined)
      await configstore.updateProject({ project: id, expectedVersion: version, defaultBranch: found })
  } catch {
    // It is asked for again with the next push.
  }
}
