// What is wrong with the repository of a project, and what one can do about it.

import { useMutation, useQueryClient } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import type { Project } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Problem } from '../../ui/load-state.tsx'

export function SourceTrouble({ project }: { readonly project: Project }) {
  const queryClient = useQueryClient()
  const params = { projectRef: project.id }
  const done = { onSuccess: () => queryClient.invalidateQueries({ queryKey: ['project'] }) }
  const repair = useMutation({ mutationFn: () => call('reconfigureProject', { params }), ...done })
  const takeOver = useMutation({ mutationFn: () => call('setProjectAccount', { params }), ...done })
  if (project.isSourceBroken !== true) return null
  const isRemote = project.source?.kind === 'remotesource'
  const error = repair.error ?? takeOver.error
  return (
    <>
      <div className="note" data-kind="problem" role="alert">
        <Icon name="warning" />
        <div className="stack tight">
          <strong>The repository is of no use now</strong>
          <span>{project.sourceTrouble ?? 'The linked account that it was reached with is gone or refused.'}</span>
          <span className="soft">No push starts a run until that is repaired.</span>
        </div>
        {isRemote && project.may?.change === true ? (
          <span className="row">
            <Button isBusy={repair.isPending} onClick={() => repair.mutate()}>
              Set it up again
            </Button>
            <Button isBusy={takeOver.isPending} onClick={() => takeOver.mutate()}>
              Use my account
            </Button>
          </span>
        ) : (
          <span />
        )}
      </div>
      {error === null ? null : <Problem error={error} title="That did not help" />}
    </>
  )
}
