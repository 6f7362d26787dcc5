// What runs of forks get, and what members may do: asked when a project is made and in its settings.

import type { Project } from '../../api/types.ts'
import { CheckField } from '../../ui/field.tsx'

type Flags = Pick<Project, 'passVariablesToForks' | 'membersCanPerformRunActions'>

/** A user's own project has no members. */
const hasMembers = (path: string) => path.startsWith('org/')

/** `path`: of the project, or of the group it will be in. */
export function RunFlags({ path, flags }: { readonly path: string; readonly flags?: Flags }) {
  return (
    <>
      <CheckField
        label="Runs of forks get the variables"
        name="passVariablesToForks"
        defaultChecked={flags?.passVariablesToForks}
        help="Dangerous: whoever opens a pull request can read them then."
      />
      {hasMembers(path) ? (
        <CheckField
          label="Members may restart, stop and cancel runs"
          name="membersCanPerformRunActions"
          defaultChecked={flags?.membersCanPerformRunActions}
          help="Owners always may."
        />
      ) : null}
    </>
  )
}

/** As they were set in a form that has `RunFlags`. */
export function runFlagsOf(form: FormData, path: string): Partial<Flags> {
  return {
    passVariablesToForks: form.get('passVariablesToForks') === 'on',
    ...(hasMembers(path) ? { membersCanPerformRunActions: form.get('membersCanPerformRunActions') === 'on' } : {}),
  }
}
