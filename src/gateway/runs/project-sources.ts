// Where the commits of projects come from, as the gateway needs it.

import type { Project } from '../../configstore/types.ts'
import type { GitSource } from '../../gitsource/git-source.ts'
import type { LinkSubject } from '../../gitsource/provider.ts'
import type { EventLinks } from '../../gitsource/repository-event.ts'

/** The repository of a project, as it is set now. */
export type ProjectRepository = {
  readonly source: GitSource
  /** What tasks clone. */
  readonly cloneUrl: string
  readonly sshHostKey?: string
  readonly skipSshHostKeyCheck: boolean
  /** Pages about it, where its provider is known. */
  readonly linksOf?: (about: LinkSubject) => EventLinks
  /** Name of the ref of a pull request, where its provider is known. */
  readonly pullRequestRef?: (pullRequestId: string) => string
}

/** When it will not do what the provider said of the repository a moment ago: always, or when it was called otherwise then. */
export type AskedAnew = 'always' | { readonly unlessCalled: string }

export interface ProjectSources {
  /** Undefined when the project has no repository that can be read. Errors: those of the configstore and of its provider. */
  open(project: Project, signal: AbortSignal, asked?: AskedAnew): Promise<ProjectRepository | undefined>
}

/** For a gateway that reads no repositories. */
export const noSources: ProjectSources = { open: async () => undefined }
