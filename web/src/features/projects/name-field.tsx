import { TextField } from '../../ui/field.tsx'
import { nameProblem } from './name-rule.ts'

type Props = { readonly name: string; readonly onName: (name: string) => void; readonly autoFocus?: boolean }

/** The name of a project, group, organization or secret; what is wrong with it is told while one types. */
export function NameField({ name, onName, autoFocus }: Props) {
  return (
    <TextField
      label="Name"
      value={name}
      onChange={({ target }) => onName(target.value)}
      problem={nameProblem(name)}
      required
      autoComplete="off"
      {...(autoFocus === true ? { autoFocus } : {})}
    />
  )
}
