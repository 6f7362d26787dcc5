import { TextField } from '../../ui/field.tsx'

/** As the server takes them. */
export const passwordCharactersMin = 10

type Props = {
  readonly name: string
  readonly label?: string
  /** What goes with it, after how long it has to be. */
  readonly more?: string
}

/** A password that is chosen, with how long it has to be. */
export function NewPasswordField({ name, label = 'Password', more }: Props) {
  const rule = `At least ${passwordCharactersMin} characters`
  return (
    <TextField
      label={label}
      name={name}
      type="password"
      autoComplete="new-password"
      required
      minLength={passwordCharactersMin}
      help={more === undefined ? `${rule}.` : `${rule}${more}`}
    />
  )
}
