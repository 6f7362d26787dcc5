// Addresses and the pages they show. Each feature is a part of its own that is loaded when one goes there.

import type { QueryClient } from '@tanstack/react-query'
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from '@tanstack/react-router'
import { call } from '../api/client.ts'
import { sessionQuery } from '../api/session.ts'
import { NotFound, PageError } from './error-page.tsx'
import { addressOfPath } from './project-address.ts'
import { Shell } from './shell.tsx'

const runStates = ['live', 'success', 'failed', 'stopped', 'cancelled', 'setuperror'] as const
export type RunsSearch = {
  readonly ref?: 'branch' | 'tag' | 'pullRequest' | undefined
  readonly name?: string | undefined
  readonly state?: (typeof runStates)[number] | undefined
  readonly text?: string | undefined
  readonly author?: string | undefined
  readonly by?: 'branch' | undefined
}

type Context = { readonly queryClient: QueryClient }

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : undefined
const oneOf = <T extends string>(values: readonly T[], value: unknown): T | undefined =>
  values.find((known) => known === value)

const root = createRootRouteWithContext<Context>()({ component: Shell, notFoundComponent: NotFound })

/** What came back from a provider, as a code. */
type Trouble = { readonly error?: string | undefined; readonly remoteSource?: string | undefined }
const troubleOf = (search: Record<string, unknown>): Trouble => ({
  error: text(search.error),
  remoteSource: text(search.remoteSource),
})
type LoginSearch = Trouble & { readonly to?: string | undefined; readonly returnTo?: string | undefined }

/** Pages anybody may open; what they show is up to the server. */
const login = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: (search: Record<string, unknown>): LoginSearch => ({
    to: text(search.to),
    returnTo: text(search.returnTo),
    ...troubleOf(search),
  }),
  component: lazyRouteComponent(() => import('../features/session/login-page.tsx'), 'LoginPage'),
})
const register = createRoute({
  getParentRoute: () => root,
  path: '/register',
  component: lazyRouteComponent(() => import('../features/session/register-page.tsx'), 'RegisterPage'),
})
const setup = createRoute({
  getParentRoute: () => root,
  path: '/setup',
  component: lazyRouteComponent(() => import('../features/session/setup-page.tsx'), 'SetupPage'),
})

/** Pages for those who are logged in; others log in and come back. */
const inside = createRoute({
  getParentRoute: () => root,
  id: 'inside',
  beforeLoad: async ({ context, location }) => {
    const identity = await context.queryClient.ensureQueryData(sessionQuery)
    if (identity.kind === 'anonymous') throw redirect({ to: '/login', search: { to: location.href } })
  },
})

const home = createRoute({
  getParentRoute: () => inside,
  path: '/',
  component: lazyRouteComponent(() => import('../features/home/home-page.tsx'), 'HomePage'),
})

const projects = createRoute({
  getParentRoute: () => inside,
  path: '/projects',
  component: lazyRouteComponent(() => import('../features/projects/projects-page.tsx'), 'ProjectsPage'),
})
const newProject = createRoute({
  getParentRoute: () => inside,
  path: '/new-project',
  validateSearch: (search: Record<string, unknown>): { readonly in?: string | undefined } => ({ in: text(search.in) }),
  component: lazyRouteComponent(() => import('../features/projects/new-project-page.tsx'), 'NewProjectPage'),
})
const newGroup = createRoute({
  getParentRoute: () => inside,
  path: '/new-group',
  validateSearch: (search: Record<string, unknown>): { readonly in?: string | undefined } => ({ in: text(search.in) }),
  component: lazyRouteComponent(() => import('../features/projects/new-group-page.tsx'), 'NewGroupPage'),
})
const group = createRoute({
  getParentRoute: () => inside,
  path: '/groups/$group',
  component: lazyRouteComponent(() => import('../features/projects/group-page.tsx'), 'GroupPage'),
})
const groupSettings = createRoute({
  getParentRoute: () => inside,
  path: '/groups/$group/settings/$section',
  component: lazyRouteComponent(() => import('../features/settings/group-settings-page.tsx'), 'GroupSettingsPage'),
})

const project = createRoute({
  getParentRoute: () => inside,
  path: '/projects/$project',
  validateSearch: (search: Record<string, unknown>): RunsSearch => ({
    ref: oneOf(['branch', 'tag', 'pullRequest'], search.ref),
    name: text(search.name),
    state: oneOf(runStates, search.state),
    text: text(search.text),
    author: text(search.author),
    by: oneOf(['branch'], search.by),
  }),
  component: lazyRouteComponent(() => import('../features/runs/project-page.tsx'), 'ProjectPage'),
})
const projectSettings = createRoute({
  getParentRoute: () => inside,
  path: '/projects/$project/settings/$section',
  component: lazyRouteComponent(() => import('../features/settings/project-settings-page.tsx'), 'ProjectSettingsPage'),
})

const runViews = ['graph', 'timeline', 'tasks', 'changes', 'definition'] as const
type RunSearch = { readonly view?: (typeof runViews)[number] | undefined }
const runSearch = (search: Record<string, unknown>): RunSearch => ({
  view: oneOf(runViews, search.view),
})
/** Lines of the log of the step are named behind `#`: `L12`, `L12-L20`. */
type TaskSearch = { readonly step?: string | undefined }
const taskSearch = (search: Record<string, unknown>): TaskSearch => ({ step: text(search.step) })

/** Runs of public projects are open to everybody, so these ask nobody to log in first. */
const projectRun = createRoute({
  getParentRoute: () => root,
  path: '/projects/$project/runs/$number',
  validateSearch: runSearch,
  component: lazyRouteComponent(() => import('../features/run/run-page.tsx'), 'ProjectRunPage'),
})
const projectTask = createRoute({
  getParentRoute: () => root,
  path: '/projects/$project/runs/$number/tasks/$task',
  validateSearch: taskSearch,
  component: lazyRouteComponent(() => import('../features/task/task-page.tsx'), 'ProjectTaskPage'),
})

const userRuns = createRoute({
  getParentRoute: () => inside,
  path: '/users/$user/runs',
  component: lazyRouteComponent(() => import('../features/runs/user-runs-page.tsx'), 'UserRunsPage'),
})
const userRun = createRoute({
  getParentRoute: () => inside,
  path: '/users/$user/runs/$number',
  validateSearch: runSearch,
  component: lazyRouteComponent(() => import('../features/run/run-page.tsx'), 'UserRunPage'),
})
const userTask = createRoute({
  getParentRoute: () => inside,
  path: '/users/$user/runs/$number/tasks/$task',
  validateSearch: taskSearch,
  component: lazyRouteComponent(() => import('../features/task/task-page.tsx'), 'UserTaskPage'),
})

const account = createRoute({
  getParentRoute: () => inside,
  path: '/account/$section',
  validateSearch: troubleOf,
  component: lazyRouteComponent(() => import('../features/account/account-page.tsx'), 'AccountPage'),
})
const organizations = createRoute({
  getParentRoute: () => inside,
  path: '/organizations',
  component: lazyRouteComponent(() => import('../features/organizations/organizations-page.tsx'), 'OrganizationsPage'),
})
const organization = createRoute({
  getParentRoute: () => inside,
  path: '/organizations/$organization',
  component: lazyRouteComponent(() => import('../features/organizations/organization-page.tsx'), 'OrganizationPage'),
})
const admin = createRoute({
  getParentRoute: () => inside,
  path: '/admin/$section',
  component: lazyRouteComponent(() => import('../features/admin/admin-page.tsx'), 'AdminPage'),
})

/** Where commit statuses and links by id lead. */
const runByReference = createRoute({
  getParentRoute: () => root,
  path: '/run',
  validateSearch: (search: Record<string, unknown>) => ({
    projectref: text(search.projectref) ?? '',
    runnumber: text(search.runnumber) ?? '',
  }),
  beforeLoad: async ({ search }) => {
    const { path } = await call('getProject', { params: { projectRef: search.projectref } })
    throw redirect({
      to: '/projects/$project/runs/$number',
      params: { project: addressOfPath(path), number: search.runnumber },
      replace: true,
    })
  },
})

const routeTree = root.addChildren([
  login,
  register,
  setup,
  projectRun,
  projectTask,
  runByReference,
  inside.addChildren([
    home,
    projects,
    newProject,
    newGroup,
    group,
    groupSettings,
    project,
    projectSettings,
    userRuns,
    userRun,
    userTask,
    account,
    organizations,
    organization,
    admin,
  ]),
])

export function createAppRouter(queryClient: QueryClient) {
  return createRouter({
    routeTree,
    context: { queryClient },
    defaultPreload: 'intent',
    // All we keep in addresses is text; as it is, it can be read and typed.
    parseSearch: (search) => Object.fromEntries(new URLSearchParams(search)),
    stringifySearch: (search) => {
      const given = Object.entries(search).filter(([, value]) => value !== undefined && value !== '')
      return given.length === 0 ? '' : `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`
    },
    defaultErrorComponent: PageError,
    defaultNotFoundComponent: NotFound,
    scrollRestoration: true,
  })
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createAppRouter>
  }
}
