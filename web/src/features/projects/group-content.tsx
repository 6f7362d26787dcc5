import './projects.css'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { useUserName } from '../../api/session.ts'
import type { Project, ProjectGroup } from '../../api/types.ts'
import { addressOfPath } from '../../app/project-address.ts'
import { Button } from '../../ui/button.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Empty, Loaded } from '../../ui/load-state.tsx'
import { firstRunsQuery } from '../runs/first-runs.ts'
import { mainBranchRun } from '../runs/main-branch.ts'
import { NewestRun } from '../runs/newest-run.tsx'
import { groupContentQuery, myProjectsQuery } from './queries.ts'

/** What is directly in a group, groups first; these open in place. */
export function GroupContent({ path }: { readonly path: string }) {
  const content = useQuery(groupContentQuery(path))
  return (
    <Loaded query={content} what="what is in this group">
      {({ groups, projects }) =>
        groups.length + projects.length === 0 ? (
          <Empty title="Nothing in here yet" />
        ) : (
          <ul className="tree">
            {groups.map((group) => (
              <GroupRow key={group.id} group={group} />
            ))}
            {projects.map((project) => (
              <ProjectRow key={project.id} project={project} name={project.name} />
            ))}
          </ul>
        )
      }
    </Loaded>
  )
}

function GroupRow({ group }: { readonly group: ProjectGroup }) {
  const [isOpen, setOpen] = useState(false)
  return (
    <li>
      <div className="tree-row">
        <Button
          kind="quiet"
          size="small"
          icon={isOpen ? 'down' : 'right'}
          aria-expanded={isOpen}
          aria-label={`What is in ${group.name}`}
          onClick={() => setOpen(!isOpen)}
        />
        <Icon name="folder" />
        <Link to="/groups/$group" params={{ group: addressOfPath(group.path) }} className="name">
          {group.name}
        </Link>
        <span className="faint">group</span>
        {group.visibility === 'private' ? <span className="tag">private</span> : null}
      </div>
      {isOpen ? <GroupContent path={group.path} /> : null}
    </li>
  )
}

/** A project and how it stands. */
export function ProjectRow({ project, name }: { readonly project: Project; readonly name: string }) {
  const mine = useQuery(myProjectsQuery(useUserName()))
  // With one's own projects their newest runs come along; of others each is asked for.
  const runs = useQuery({ ...firstRunsQuery({ type: 'project', id: project.id }), enabled: !mine.isLoading })
  const run = mainBranchRun(project, runs.data?.pages.flatMap(({ items }) => items) ?? [])
  return (
    <li>
      <div className="tree-row">
        <Icon name="project" />
        <Link to="/projects/$project" params={{ project: addressOfPath(project.path) }} className="name">
          {name}
        </Link>
        {project.visibility === 'private' ? <span className="tag">private</span> : null}
        {runs.data === undefined ? null : <NewestRun run={run} projectPath={project.path} />}
      </div>
    </li>
  )
}
