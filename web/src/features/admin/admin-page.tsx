import { Link, useParams } from '@tanstack/react-router'
import { useIsAdmin } from '../../api/session.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { Empty } from '../../ui/load-state.tsx'
import { Page } from '../../ui/page.tsx'
import { Databases } from './databases.tsx'
import { Executors } from './executors.tsx'
import { Keys } from './keys.tsx'
import { useLiveInstallation } from './live-installation.ts'
import { Maintenance } from './maintenance.tsx'
import { Queue } from './queue.tsx'
import { RemoteSources } from './remote-sources.tsx'
import { Users } from './users.tsx'

const sections = [
  ['executors', 'Executors', Executors],
  ['queue', 'Queue', Queue],
  ['users', 'Users', Users],
  ['sources', 'Remote sources', RemoteSources],
  ['databases', 'Databases', Databases],
  ['keys', 'Keys', Keys],
  ['maintenance', 'Maintenance', Maintenance],
] as const

export function AdminPage() {
  const { section } = useParams({ from: '/inside/admin/$section' })
  const isAdmin = useIsAdmin()
  const [, words, Section] = sections.find(([id]) => id === section) ?? sections[0]
  usePageTitle(words, 'Administration')
  useLiveInstallation(isAdmin)
  if (!isAdmin)
    return (
      <main id="main" className="page">
        <Empty title="For administrators" />
      </main>
    )
  return (
    <Page title="Administration">
      <nav className="tabs" aria-label="Administration">
        {sections.map(([id, name]) => (
          <Link key={id} to="/admin/$section" params={{ section: id }}>
            {name}
          </Link>
        ))}
      </nav>
      <Section />
    </Page>
  )
}
