import { Link, useParams } from '@tanstack/react-router'
import { useUserName } from '../../api/session.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { Page } from '../../ui/page.tsx'
import { LinkedAccounts } from './linked-accounts.tsx'
import { Password } from './password.tsx'
import { Sessions } from './sessions.tsx'
import { Tokens } from './tokens.tsx'

const sections = [
  ['tokens', 'Tokens'],
  ['password', 'Password'],
  ['sessions', 'Sessions'],
  ['accounts', 'Linked accounts'],
] as const

export function AccountPage() {
  const { section } = useParams({ from: '/inside/account/$section' })
  const name = useUserName()
  usePageTitle('Account')
  return (
    <Page title={name}>
      <nav className="tabs" aria-label="Account">
        {sections.map(([id, words]) => (
          <Link key={id} to="/account/$section" params={{ section: id }}>
            {words}
          </Link>
        ))}
      </nav>
      {section === 'password' ? (
        <Password userName={name} />
      ) : section === 'sessions' ? (
        <Sessions />
      ) : section === 'accounts' ? (
        <LinkedAccounts userName={name} />
      ) : (
        <Tokens userName={name} />
      )}
    </Page>
  )
}
