// Where a run stands among others, and what it was made of.

import type { Configstore } from '../../configstore/api.ts'
import { SlipwayError } from '../../lib/errors.ts'
import type { RunEntry, Runservice, RunView } from '../../runservice/api.ts'
import type { HandlerContext, HandlersOf } from '../routes/handler.ts'
import { fetchDefinition } from '../runs/fetch-definition.ts'
import type { ProjectSources } from '../runs/project-sources.ts'
import { runOwnerOf } from '../runs/run-owner.ts'
import { runConfigView } from '../views/run-config.ts'
import { RunListViews } from '../views/runs.ts'

type Ids = 'getRelatedRuns' | 'getRunConfig' | 'getRunDefinition'

export type RunHistoryComponents = {
  readonly configstore: Pick<Configstore, 'getProject'>
  readonly runservice: Pick<Runservice, 'relatedRuns' | 'runRows'>
  readonly sources: ProjectSources
}

export function runHistoryHandlers({ configstore, runservice, sources }: RunHistoryComponents): HandlersOf<Ids> {
  const views = new RunListViews()
  const shown = async (entries: readonly RunEntry[]) =>
    views.of(entries, await runservice.runRows(entries.map(({ id }) => id)))
  return {
    getRelatedRuns: async (_, context) => {
      const related = await runservice.relatedRuns(runOf(context).run.id)
      if (related === undefined) throw new SlipwayError('run_not_found', 'the run was removed meanwhile')
      const { attempts, lastSuccess } = related
      const [success] = lastSuccess === undefined ? [] : await shown([lastSuccess])
      return { attempts: await shown(attempts), ...(success === undefined ? {} : { lastSuccess: success }) }
    },

    getRunConfig: (_, context) => runConfigView(runOf(context)),

    getRunDefinition: async (_, context) => {
      const { run } = runOf(context)
      const { commit_sha: sha = '', ref } = run.annotations
      const owner = runOwnerOf(run.group)
      const project = owner?.type === 'project' ? await configstore.getProject({ project: owner.id }) : undefined
      const repository = project && (await sources.open(project, context.signal))
      if (repository === undefined || sha === '')
        throw new SlipwayError('commit_not_found', 'the run has no commit of a repository that can be read')
      const found = await fetchDefinition(repository.source, { sha, ref }, context.signal)
      if (found.kind === 'none') throw new SlipwayError('commit_not_found', `commit ${sha}: ${found.message}`)
      return { path: found.path, text: found.text }
    },
  }
}

function runOf({ run }: HandlerContext): RunView {
  if (run === undefined) throw new SlipwayError('invariant', 'the permission of this route is not on a run')
  return run
}
