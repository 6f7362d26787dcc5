// What one comes for: what waits for me, what runs, what is broken, and my projects.

import './home.css'
import '../runs/runs.css'
import type { InfiniteData } from '@tanstack/react-query'
import { type UseQueryResult, useQueries, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useUserName } from '../../api/session.ts'
import type { Project, RunList, RunSummary } from '../../api/types.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { addressOfPath } from '../../app/project-address.ts'
import { LinkButton } from '../../ui/button.tsx'
import { Empty, Loaded, Loading } from '../../ui/load-state.tsx'
import { Page, Panel } from '../../ui/page.tsx'
import { linkedAccountsQuery } from '../account/queries.ts'
import { myProjectsQuery } from '../projects/queries.ts'
import { firstRunsQuery } from '../runs/first-runs.ts'
import { brokenRun, isOwnRun, mainBranchRun } from '../runs/main-branch.ts'
import { NewestRun } from '../runs/newest-run.tsx'
import { RunRow } from '../runs/run-row.tsx'
import { isLive, stateOfRun } from '../runs/run-state.ts'
import { Sparkline } from '../runs/sparkline.tsx'

/** More are found under Projects. */
const projectsMax = 40

type ProjectRuns = {
  readonly project: Project
  readonly runs: readonly RunSummary[]
  /** Nothing is known of its runs, so far or because they could not be fetched. */
  readonly isUnknown: boolean
  readonly hasFailed: boolean
}

const unknownRuns = { runs: [], isUnknown: true, hasFailed: false } as const

export function HomePage() {
  const userName = useUserName()
  const projects = useQuery(myProjectsQuery(userName))
  usePageTitle('Home')
  return (
    <Page
      title="Home"
      actions={
        <LinkButton to="/new-project" icon="plus">
          New project
        </LinkButton>
      }
    >
      <Loaded query={projects} what="your projects" lines={6}>
        {(data) => (data.length === 0 ? <NoProjects /> : <Overview projects={data} />)}
      </Loaded>
    </Page>
  )
}

function NoProjects() {
  return (
    <Empty
      title="No projects yet"
      action={
        <LinkButton to="/new-project" kind="primary" icon="plus">
          Make the first project
        </LinkButton>
      }
    >
      A project is a repository with a definition in <code>.slipway/</code>. Its runs come here, with what waits for you
      and what is broken.
    </Empty>
  )
}

function Overview({ projects }: { readonly projects: readonly Project[] }) {
  const shown = projects.slice(0, projectsMax)
  const names = useOwnNames()
  const { all, isPending } = useQueries({
    queries: shown.map((project) => firstRunsQuery({ type: 'project', id: project.id })),
    combine: (results: UseQueryResult<InfiniteData<RunList>>[]) => ({
      isPending: results.some((result) => result.isPending),
      all: results.map(({ data, isError }) => ({
        runs: data?.pages.flatMap(({ items }) => items) ?? [],
        isUnknown: data === undefined,
        hasFailed: data === undefined && isError,
      })),
    }),
  })
  const withRuns: ProjectRuns[] = shown.map((project, index) => ({ project, ...(all[index] ?? unknownRuns) }))
  const flat = withRuns.flatMap(({ project, runs }) => runs.map((run) => ({ project, run })))
  const waiting = flat.filter(({ run }) => isLive(run) && (run.tasksWaitingApproval?.length ?? 0) > 0)
  const live = flat
    .filter(({ run }) => isLive(run) && !((run.tasksWaitingApproval?.length ?? 0) > 0))
    .sort((a, b) => Date.parse(b.run.enqueuedAt) - Date.parse(a.run.enqueuedAt))
  const broken = withRuns.flatMap(({ project, runs }) => {
    const run = brokenRun(project, runs)
    return run === undefined ? [] : [{ project, run, isOwn: isOwnRun(run, names) }]
  })
  // What one broke oneself waits for oneself.
  broken.sort((a, b) => Number(b.isOwn) - Number(a.isOwn))
  return (
    <>
      {waiting.length === 0 ? null : (
        <section className="panel" aria-labelledby="waits-heading">
          <div className="panel-head">
            <h2 id="waits-heading">Waits for approval</h2>
          </div>
          {waiting.map(({ project, run }) => (
            <RunRow key={run.id} run={run} owner={{ type: 'project', ref: project.path }} project={project.name} />
          ))}
        </section>
      )}
      {broken.length === 0 ? null : (
        <Panel title="Broken" isPadded={false}>
          {broken.map(({ project, run, isOwn }) => (
            <RunRow
              key={run.id}
              run={run}
              owner={{ type: 'project', ref: project.path }}
              project={project.name}
              isOwn={isOwn}
            />
          ))}
        </Panel>
      )}
      <Panel title="In progress" isPadded={false}>
        {live.length === 0 ? (
          isPending ? (
            <Loading what="runs in progress" lines={2} />
          ) : (
            <p className="panel-body soft">
              {waiting.length === 0 ? 'Nothing runs or waits.' : 'Nothing but what waits for approval.'}
            </p>
          )
        ) : (
          live.map(({ project, run }) => (
            <RunRow key={run.id} run={run} owner={{ type: 'project', ref: project.path }} project={project.name} />
          ))
        )}
      </Panel>
      <section className="stack" aria-labelledby="projects-heading">
        <h2 id="projects-heading">My projects</h2>
        <ul className="project-cards">
          {withRuns.map((one) => (
            <li key={one.project.id}>
              <ProjectCard {...one} />
            </li>
          ))}
        </ul>
        {projects.length > projectsMax ? (
          <p>
            <Link to="/projects">All {projects.length} projects</Link>
          </p>
        ) : null}
      </section>
    </>
  )
}

/** One's names here and at providers, in lower case. */
function useOwnNames(): ReadonlySet<string> {
  const userName = useUserName()
  const { data } = useQuery(linkedAccountsQuery(userName))
  const names = [userName, ...(data?.items ?? []).map(({ remoteUserName }) => remoteUserName)]
  return new Set(names.map((name) => name.toLowerCase()))
}

function ProjectCard({ project, runs, isUnknown, hasFailed }: ProjectRuns) {
  const run = mainBranchRun(project, runs)
  const state = run === undefined ? undefined : stateOfRun(run)
  return (
    <article className="project-card" {...(state === undefined ? {} : { 'data-state': state })}>
      <div>
        <h3>
          <Link to="/projects/$project" params={{ project: addressOfPath(project.path) }}>
            {project.name}
          </Link>
        </h3>
        <div className="path clip">{project.parentPath}</div>
      </div>
      {isUnknown ? (
        <div className="faint">{hasFailed ? 'Its runs cannot be shown now.' : '…'}</div>
      ) : (
        <NewestRun run={run} projectPath={project.path} />
      )}
      <Sparkline runs={runs} projectPath={project.path} />
    </article>
  )
}
