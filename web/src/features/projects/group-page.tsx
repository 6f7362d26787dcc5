import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { usePageTitle } from '../../app/page-head.ts'
import { pathOfAddress } from '../../app/project-address.ts'
import { LinkButton } from '../../ui/button.tsx'
import { Loaded } from '../../ui/load-state.tsx'
import { Page, Panel, PathCrumbs } from '../../ui/page.tsx'
import { GroupContent } from './group-content.tsx'
import { groupQuery } from './queries.ts'

const sections = [
  ['general', 'Settings'],
  ['secrets', 'Secrets'],
  ['variables', 'Variables'],
] as const

export function GroupPage() {
  const { group: address } = useParams({ from: '/inside/groups/$group' })
  const path = pathOfAddress(address)
  const group = useQuery(groupQuery(path))
  const may = group.data?.may
  const name = path.split('/').at(-1)
  usePageTitle(name)
  return (
    <Page
      above={<PathCrumbs path={path} />}
      title={name}
      actions={
        may?.create === true ? (
          <>
            <LinkButton to="/new-group" search={{ in: path }}>
              New group
            </LinkButton>
            <LinkButton to="/new-project" search={{ in: path }} icon="plus" kind="primary">
              New project
            </LinkButton>
          </>
        ) : null
      }
    >
      <GroupTabs group={address} mayChange={may?.change} />
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

/** What one may not do is not there; that of a user or organization as a whole leads to the rest of what is theirs. */
export function GroupTabs({ group, mayChange }: { readonly group: string; readonly mayChange: boolean | undefined }) {
  const [kind, name, ...rest] = pathOfAddress(group).split('/')
  return (
    <nav className="tabs" aria-label="Group">
      <Link to="/groups/$group" params={{ group }} activeOptions={{ exact: true }}>
        Projects
      </Link>
      {sections
        .filter(([section]) => mayChange === true || section !== 'general')
        .map(([section, words]) => (
          <Link key={section} to="/groups/$group/settings/$section" params={{ group, section }}>
            {words}
          </Link>
        ))}
      {name === undefined || rest.length > 0 ? null : kind === 'org' ? (
        <Link to="/organizations/$organization" params={{ organization: name }}>
          Members
        </Link>
      ) : (
        <Link to="/users/$user/runs" params={{ user: name }}>
          Direct runs
        </Link>
      )}
    </nav>
  )
}
