import './projects.css'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { addressOfPath } from '../../app/project-address.ts'
import { Icon } from '../../ui/icon.tsx'
import { Empty, Loaded } from '../../ui/load-state.tsx'
import { groupContentQuery } from './queries.ts'

/** What is directly in a group, groups first. */
export function GroupContent({ path }: { readonly path: string }) {
  const content = useQuery(groupContentQuery(path))
  return (
    <Loaded query={content} what="what is in this group">
      {({ groups, projects }) =>
        groups.length + projects.length === 0 ? (
          <Empty title="Nothing in here yet" />
        ) : (
          <ul>
            {groups.map((group) => (
              <li key={group.id} className="tree-row">
                <Icon name="folder" />
                <Link to="/groups/$group" params={{ group: addressOfPath(group.path) }}>
                  {group.name}
                </Link>
                <span className="faint">group</span>
                {group.visibility === 'private' ? <Icon name="lock" /> : null}
              </li>
            ))}
            {projects.map((project) => (
              <li key={project.id} className="tree-row">
                <Icon name="project" />
                <ProjectLink path={project.path} name={project.name} />
                {project.visibility === 'private' ? <span className="tag">private</span> : null}
              </li>
            ))}
          </ul>
        )
      }
    </Loaded>
  )
}

export function ProjectLink({ path, name }: { readonly path: string; readonly name: string }) {
  return (
    <Link to="/projects/$project" params={{ project: addressOfPath(path) }}>
      {name}
    </Link>
  )
}
