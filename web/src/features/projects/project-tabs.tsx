import { Link } from '@tanstack/react-router'
import type { Project } from '../../api/types.ts'

const sections = [
  ['secrets', 'Secrets'],
  ['variables', 'Variables'],
  ['deliveries', 'Deliveries'],
  ['notifications', 'Notifications'],
] as const

/** What one may not see or do is not there; nothing of it while the project is not loaded. */
export function ProjectTabs({ project, shown }: { readonly project: string; readonly shown: Project | undefined }) {
  const isInside = shown?.source !== undefined
  const mayChange = shown?.may?.change === true
  return (
    <nav className="tabs" aria-label="Project">
      <Link to="/projects/$project" params={{ project }} activeOptions={{ exact: true, includeSearch: false }}>
        Runs
      </Link>
      {mayChange ? (
        <Link
          to="/projects/$project/settings/$section"
          params={{ project, section: 'general' }}
          activeOptions={{ exact: true }}
        >
          Settings
        </Link>
      ) : null}
      {isInside
        ? sections.map(([section, words]) => (
            <Link key={section} to="/projects/$project/settings/$section" params={{ project, section }}>
              {words}
            </Link>
          ))
        : null}
    </nav>
  )
}
