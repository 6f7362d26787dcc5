import { Link } from '@tanstack/react-router'
import { useSessionActions } from '../api/session.ts'
import { Button } from '../ui/button.tsx'
import { Menu, MenuItem, MenuLine } from '../ui/dialogs.tsx'
import { Icon } from '../ui/icon.tsx'
import { setTheme, themes, themeWords, useTheme } from './theme.ts'

/** Opens at once: it is there because somebody asked for it. */
export function UserMenu({ name }: { readonly name: string }) {
  const { logout } = useSessionActions()
  const theme = useTheme()
  return (
    <Menu
      isOpenFirst
      trigger={
        <Button kind="quiet" className="button who" autoFocus>
          <Icon name="person" />
          <span className="visually-hidden">Menu of</span>
          <span className="words">{name}</span>
          <Icon name="down" />
        </Button>
      }
    >
      <MenuItem link={<Link to="/users/$user/runs" params={{ user: name }} />}>My direct runs</MenuItem>
      <MenuItem link={<Link to="/organizations" />}>Organizations</MenuItem>
      <MenuItem link={<Link to="/account/$section" params={{ section: 'tokens' }} />}>Account</MenuItem>
      <MenuLine />
      {themes.map((choice) => (
        <MenuItem key={choice} onSelect={() => setTheme(choice)}>
          {themeWords[choice]} theme{choice === theme ? ' ✓' : ''}
        </MenuItem>
      ))}
      <MenuLine />
      <MenuItem onSelect={() => void logout()}>Log out</MenuItem>
    </Menu>
  )
}
