// Where the commits of projects come from, as the gateway needs it.

import type { Project } from '../configstore/types.ts'
import type { GitSource } from '../gitsource/git-source.ts'

/** The repository of a project, as it is set now. */
export type ProjectRepository = {
  readonly source: GitSource
  /** What tasks clone. */
  readonly cloneUrl: string
  readonly sshHostKey?: string
  readonly skipSshHostKeyCheck: boolean
}

export interface ProjectSources {
  /** Undefined when the project has no repository that can be read. Errors: those of the configstore. */
  open(project: Project): Promise<ProjectRepository | undefined>
}

/** For a gateway that reads no repositories. */
export const noSources: ProjectSources = { open: async () => undefined }
