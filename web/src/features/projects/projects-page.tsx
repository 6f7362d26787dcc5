// Everything one owns or belongs to: by owner as a tree, or what a search finds.

import './projects.css'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { useUserName } from '../../api/session.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { addressOfPath } from '../../app/project-address.ts'
import { LinkButton } from '../../ui/button.tsx'
import { TextField } from '../../ui/field.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Empty, Loaded } from '../../ui/load-state.tsx'
import { Page, Panel } from '../../ui/page.tsx'
import { GroupContent, ProjectRow } from './group-content.tsx'
import { myOrganizationsQuery, myProjectsQuery } from './queries.ts'

export function ProjectsPage() {
  const userName = useUserName()
  const [text, setText] = useState('')
  usePageTitle('Projects')
  return (
    <Page
      title="Projects"
      actions={
        <>
          <LinkButton to="/new-group">New group</LinkButton>
          <LinkButton to="/new-project" icon="plus" kind="primary">
            New project
          </LinkButton>
        </>
      }
    >
      <search className="form">
        <TextField
          label="Search"
          type="search"
          value={text}
          onChange={({ target }) => setText(target.value)}
          placeholder="Part of a name or path"
        />
      </search>
      {text === '' ? <Tree userName={userName} /> : <Found userName={userName} text={text} />}
    </Page>
  )
}

function Tree({ userName }: { readonly userName: string }) {
  const organizations = useQuery(myOrganizationsQuery)
  return (
    <>
      {userName === '' ? null : <Owner name={userName} path={`user/${userName}`} />}
      <Loaded query={organizations} what="your organizations" lines={2}>
        {(data) => (
          <>
            {data.map(({ organization }) => (
              <Owner key={organization.id} name={organization.name} path={`org/${organization.name}`} />
            ))}
          </>
        )}
      </Loaded>
    </>
  )
}

function Owner({ name, path }: { readonly name: string; readonly path: string }) {
  return (
    <Panel
      isPadded={false}
      title={
        <span className="row">
          <Icon name={path.startsWith('user/') ? 'person' : 'folder'} />
          <Link to="/groups/$group" params={{ group: addressOfPath(path) }}>
            {name}
          </Link>
        </span>
      }
    >
      <GroupContent path={path} />
    </Panel>
  )
}

function Found({ userName, text }: { readonly userName: string; readonly text: string }) {
  const projects = useQuery(myProjectsQuery(userName))
  return (
    <Panel isPadded={false} title="Found">
      <Loaded query={projects} what="projects">
        {(data) => {
          const found = data.filter(({ path }) => path.toLowerCase().includes(text.toLowerCase()))
          return found.length === 0 ? (
            <Empty title="No project has that in its path" />
          ) : (
            <ul className="tree">
              {found.map((project) => (
                <ProjectRow key={project.id} project={project} name={project.path} />
              ))}
            </ul>
          )
        }}
      </Loaded>
    </Panel>
  )
}
