import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { usePageTitle } from '../../app/page-head.ts'
import { pathOfAddress } from '../../app/project-address.ts'
import { LinkButton } from '../../ui/button.tsx'
import { Loaded } from '../../ui/load-state.tsx'
import { Page, Panel, PathCrumbs } from '../../ui/page.tsx'
import { GroupContent } from './group-content.tsx'
import { groupQuery } from './queries.ts'

export function GroupPage() {
  const { group: address } = useParams({ from: '/inside/groups/$group' })
  const path = pathOfAddress(address)
  const group = useQuery(groupQuery(path))
  const name = path.split('/').at(-1)
  usePageTitle(name)
  return (
    <Page
      above={<PathCrumbs path={path} />}
      title={name}
      actions={
        <>
          <LinkButton to="/new-group" search={{ in: path }}>
            New group
          </LinkButton>
          <LinkButton to="/new-project" search={{ in: path }} icon="plus" kind="primary">
            New project
          </LinkButton>
        </>
      }
    >
      <GroupTabs group={address} />
      <Loaded query={group} what="this group">
        {() => (
          <Panel isPadded={false}>
            <GroupContent path={path} />
          </Panel>
        )}
      </Loaded>
    </Page>
  )
}

export function GroupTabs({ group }: { readonly group: string }) {
  return (
    <nav className="tabs" aria-label="Group">
      <Link to="/groups/$group" params={{ group }} activeOptions={{ exact: true }}>
        Projects
      </Link>
      {(['general', 'secrets', 'variables'] as const).map((section) => (
        <Link key={section} to="/groups/$group/settings/$section" params={{ group, section }}>
          {section === 'general' ? 'Settings' : section === 'secrets' ? 'Secrets' : 'Variables'}
        </Link>
      ))}
    </nav>
  )
}
