import { Link } from '@tanstack/react-router'

export function ProjectTabs({ project }: { readonly project: string }) {
  return (
    <nav className="tabs" aria-label="Project">
      <Link to="/projects/$project" params={{ project }} activeOptions={{ exact: true, includeSearch: false }}>
        Runs
      </Link>
      <Link
        to="/projects/$project/settings/$section"
        params={{ project, section: 'general' }}
        activeOptions={{ exact: true }}
      >
        Settings
      </Link>
      <Link to="/projects/$project/settings/$section" params={{ project, section: 'secrets' }}>
        Secrets
      </Link>
      <Link to="/projects/$project/settings/$section" params={{ project, section: 'variables' }}>
        Variables
      </Link>
    </nav>
  )
}
