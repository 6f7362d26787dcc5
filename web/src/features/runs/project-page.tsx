// The page of a project: its runs, live, by branch, tag, pull request or state.

import './runs.css'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import type { RunFilter } from '../../api/apply-run-change.ts'
import type { Project } from '../../api/types.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { pathOfAddress } from '../../app/project-address.ts'
import { Button } from '../../ui/button.tsx'
import { SelectField, TextField } from '../../ui/field.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Loaded } from '../../ui/load-state.tsx'
import { Page, Panel, PathCrumbs } from '../../ui/page.tsx'
import { ProjectTabs } from '../projects/project-tabs.tsx'
import { projectQuery } from '../projects/queries.ts'
import { SourceTrouble } from '../projects/source-trouble.tsx'
import { runsQuery } from './queries.ts'
import { RunGroups } from './run-groups.tsx'
import { RunList } from './run-list.tsx'
import { Sparkline } from './sparkline.tsx'
import { StartRun } from './start-run.tsx'

export function ProjectPage() {
  const { project: address } = useParams({ from: '/inside/projects/$project' })
  const project = useQuery(projectQuery(pathOfAddress(address)))
  usePageTitle(project.data?.name ?? address)
  const title = project.data?.name ?? pathOfAddress(address).split('/').at(-1)
  return (
    <Page
      above={<PathCrumbs path={project.data?.path ?? pathOfAddress(address)} />}
      title={title}
      below={project.data === undefined ? null : <Facts project={project.data} />}
      actions={project.data === undefined ? null : <StartRun project={project.data} />}
    >
      <ProjectTabs project={address} shown={project.data} />
      {project.data === undefined ? null : <SourceTrouble project={project.data} />}
      <Loaded query={project} what="this project">
        {(data) => <Runs project={data} />}
      </Loaded>
    </Page>
  )
}

function Facts({ project }: { readonly project: Project }) {
  return (
    <div className="row soft">
      {project.globalVisibility === 'private' ? (
        <span className="tag">
          <Icon name="lock" /> private
        </span>
      ) : (
        <span className="tag">public</span>
      )}
      {project.source?.kind === 'git' ? <code className="clip">{project.source.url}</code> : null}
      {project.source?.kind === 'remotesource' ? <code className="clip">{project.source.repositoryPath}</code> : null}
    </div>
  )
}

type Search = {
  readonly ref?: 'branch' | 'tag' | 'pullRequest' | undefined
  readonly name?: string | undefined
  readonly state?: string | undefined
  readonly text?: string | undefined
  readonly author?: string | undefined
  readonly by?: 'branch' | undefined
}

const stateFilters: Readonly<Record<string, Pick<RunFilter, 'phase' | 'result'>>> = {
  live: { phase: ['queued', 'running'] },
  success: { result: ['success'] },
  failed: { result: ['failed'] },
  stopped: { result: ['stopped'] },
  cancelled: { phase: ['cancelled'] },
  setuperror: { phase: ['setuperror'] },
}

export function filterOf({ ref, name, state, text, author }: Search): RunFilter {
  return {
    ...(text === undefined ? {} : { text }),
    ...(author === undefined ? {} : { author }),
    ...(ref === undefined ? {} : name === undefined ? { refType: ref } : { [ref]: name }),
    ...(state === undefined ? {} : stateFilters[state]),
  }
}

function Runs({ project }: { readonly project: Project }) {
  const search = useSearch({ from: '/inside/projects/$project' })
  const owner = { type: 'project', id: project.id } as const
  const filter = filterOf(search)
  const recent = useInfiniteQuery(runsQuery(owner, filter))
  return (
    <>
      <div className="stack">
        <Filters search={search} />
        <Sparkline runs={recent.data?.pages.flatMap(({ items }) => items) ?? []} projectPath={project.path} />
      </div>
      <Panel isPadded={false}>
        <h2 className="visually-hidden">Runs</h2>
        {search.by === 'branch' ? (
          <RunGroups owner={owner} ownerRef={{ type: 'project', ref: project.path }} filter={filter} />
        ) : (
          <RunList owner={owner} ownerRef={{ type: 'project', ref: project.path }} filter={filter} />
        )}
      </Panel>
    </>
  )
}

const refOptions = [
  ['', 'Everything'],
  ['branch', 'Branch'],
  ['tag', 'Tag'],
  ['pullRequest', 'Pull request'],
] as const
const stateOptions = [
  ['', 'Any'],
  ['live', 'Queued or running'],
  ['success', 'Succeeded'],
  ['failed', 'Failed'],
  ['stopped', 'Stopped'],
  ['cancelled', 'Cancelled'],
  ['setuperror', 'Setup error'],
] as const

function Filters({ search }: { readonly search: Search }) {
  const navigate = useNavigate({ from: '/projects/$project' })
  const [name, setName] = useState(search.name ?? '')
  const [text, setText] = useState(search.text ?? '')
  const [author, setAuthor] = useState(search.author ?? '')
  const change = (to: Search) => {
    const next = { ...search, ...to }
    void navigate({ search: next as never, replace: true })
  }
  // Typing does not ask the server at every key.
  useEffect(() => {
    const timer = setTimeout(() => {
      const typed = { name, text, author }
      const isChanged = (['name', 'text', 'author'] as const).some((key) => (search[key] ?? '') !== typed[key])
      if (isChanged) change({ name: name || undefined, text: text || undefined, author: author || undefined })
    }, 250)
    return () => clearTimeout(timer)
  })
  const isFiltered = Object.entries(search).some(([key, value]) => key !== 'by' && value !== undefined)
  return (
    <search className="filters">
      <SelectField
        label="Of"
        value={search.ref ?? ''}
        options={refOptions}
        onChange={({ target }) => change({ ref: (target.value || undefined) as Search['ref'] })}
      />
      {search.ref === undefined ? null : (
        <TextField
          label={search.ref === 'pullRequest' ? 'Number' : 'Name'}
          value={name}
          onChange={({ target }) => setName(target.value)}
          placeholder="any"
        />
      )}
      <SelectField
        label="State"
        value={search.state ?? ''}
        options={stateOptions}
        onChange={({ target }) => change({ state: target.value || undefined })}
      />
      <TextField
        label="Text"
        type="search"
        value={text}
        placeholder="name, message…"
        onChange={({ target }) => setText(target.value)}
      />
      <TextField
        label="By"
        value={author}
        placeholder="who pushed"
        onChange={({ target }) => setAuthor(target.value)}
      />
      <div className="segments" role="group" aria-label="Show">
        <Button aria-pressed={search.by === undefined} onClick={() => change({ by: undefined })}>
          All
        </Button>
        <Button aria-pressed={search.by === 'branch'} onClick={() => change({ by: 'branch' })}>
          By branch
        </Button>
      </div>
      {isFiltered ? (
        <Button
          kind="quiet"
          onClick={() => {
            setName('')
            setText('')
            setAuthor('')
            change({ ref: undefined, name: undefined, state: undefined, text: undefined, author: undefined })
          }}
        >
          Clear
        </Button>
      ) : null}
    </search>
  )
}
