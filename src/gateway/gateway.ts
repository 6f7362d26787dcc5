// The public front: mounts every route of the contract on a server, with the pages for probes and metrics beside them.

import type { FastifyInstance } from 'fastify'
import type { Configstore } from '../configstore/api.ts'
import type { ProviderAccess } from '../configstore/provider-access.ts'
import { apiBase, type Route } from '../contract/route.ts'
import { type RouteId, routes } from '../contract/routes.ts'
import type { Database } from '../datamanager/database.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { NotificationService } from '../notification/api.ts'
import type { Runservice } from '../runservice/api.ts'
import { Accounts } from './accounts/accounts.ts'
import { createBeginOAuth2 } from './accounts/begin-oauth2.ts'
import { mountOAuth2Pages } from './accounts/mount-oauth2-pages.ts'
import { noProviders } from './accounts/no-providers.ts'
import { OAuth2Flows } from './accounts/oauth2-flows.ts'
import { isSecure } from './auth/authenticate.ts'
import { LoginGuard } from './auth/login-guard.ts'
import { Sessions } from './auth/sessions.ts'
import { Inbox } from './deliveries/inbox.ts'
import { mountDeliveries } from './deliveries/mount-deliveries.ts'
import type { PollLock } from './deliveries/poller.ts'
import { accountHandlers } from './handlers/accounts.ts'
import { deliveryHandlers } from './handlers/deliveries.ts'
import { directRunHandlers } from './handlers/direct-runs.ts'
import { homeHandlers } from './handlers/home.ts'
import { keyHandlers } from './handlers/keys.ts'
import { notificationHandlers } from './handlers/notifications.ts'
import { organizationHandlers } from './handlers/organizations.ts'
import { projectHandlers } from './handlers/projects.ts'
import { remoteProjectHandlers } from './handlers/remote-projects.ts'
import { runHistoryHandlers } from './handlers/run-history.ts'
import { runHandlers } from './handlers/runs.ts'
import { secretHandlers } from './handlers/secrets.ts'
import { sessionHandlers } from './handlers/session.ts'
import { systemHandlers } from './handlers/system.ts'
import { userHandlers } from './handlers/users.ts'
import type { Maintenance } from './maintenance.ts'
import { createFigures, type Figures } from './metrics/figures.ts'
import { Metrics } from './metrics/metrics.ts'
import { mountProbes, type Readiness } from './metrics/probes.ts'
import { noNotification } from './no-notification.ts'
import type { Handler, Handlers } from './routes/handler.ts'
import { type MountComponents, mountRoute } from './routes/mount-route.ts'
import { mountWebSafety } from './routes/web-safety.ts'
import type { GatewaySchema } from './rows.ts'
import { type DirectRuns, noDirectRuns } from './runs/direct-runs.ts'
import { noSources, type ProjectSources } from './runs/project-sources.ts'
import type { GatewaySettings } from './settings.ts'
import { RunChangesFeed } from './streams/run-changes.ts'
import { SharedLogs } from './streams/shared-logs.ts'
import { StreamCounter } from './streams/stream-counter.ts'
import { TraceExporter } from './tracing/trace-exporter.ts'

export type GatewayComponents = {
  /** The gateway's own; its types are `gatewayRowTypes` (rows.ts). Nothing given here is closed here. */
  readonly database: Database<GatewaySchema>
  readonly configstore: Configstore
  readonly runservice: Runservice
  /** What the services of this process count; without it only the gateway's own. */
  readonly figures?: Figures
  /** Without it nobody is told of runs, and its operations say so. */
  readonly notification?: NotificationService
  /** Repositories of projects; without them runs are made by hand only, of definitions that are given. */
  readonly sources?: ProjectSources
  /** What direct runs are pushed to; without it there are none. */
  readonly directRuns?: DirectRuns
  /** Providers of repositories and accounts; without it nobody logs in with one, and no project is made of theirs. */
  readonly providers?: ProviderAccess
  /** Lets one instance at a time look at repositories; without it none does unasked. */
  readonly tryPollLock?: (signal: AbortSignal) => Promise<PollLock | undefined>
  /** Of all databases of the installation. */
  readonly maintenance: Maintenance
  readonly clock: Clock
  readonly logger: Logger
  /** Whether this instance can serve, for `/readyz`; ready by default. */
  readonly readiness?: () => Readiness | Promise<Readiness>
  /** Names the data: another one after an import, so that callers' positions of before mean nothing. Default: for ever the same. */
  readonly generation?: () => string
}

/**
 * Mounts `/api/v1`, `/healthz`, `/readyz` and `/metrics` on the application of an HTTP server. Call it once, before the server
 * listens; it registers everything before it returns. What it follows in the background ends when the application closes.
 * Throws nothing; requests are answered with the errors of their routes.
 */
export function mountGateway(app: FastifyInstance, settings: GatewaySettings, components: GatewayComponents): void {
  const { database, configstore, runservice, clock, logger, maintenance, sources = noSources } = components
  const { providers = noProviders } = components
  const { notification = noNotification() } = components
  const sessions = new Sessions({ database, clock }, settings)
  const flows = new OAuth2Flows({ database, clock })
  const { figures = createFigures() } = components
  const inbox = new Inbox({ database, clock, onOutcome: (outcome) => figures.deliveries.count({ outcome }) })
  figures.waiting.set('delivery', () => inbox.waiting())
  const metrics = new Metrics({ runservice, configstore, database, figures, version: settings.version, clock, logger })
  const mounted: MountComponents = {
    settings,
    configstore,
    runservice,
    notification,
    database,
    sessions,
    streams: new StreamCounter(),
    maintenance,
    metrics,
    clock,
    logger,
    generation: components.generation ?? (() => '1'),
  }
  const shared = {
    settings,
    configstore,
    runservice,
    notification,
    sources,
    directRuns: components.directRuns ?? noDirectRuns,
    inbox,
    maintenance,
    sessions,
    providers,
    flows,
    accounts: new Accounts({ configstore, providers, flows }),
    beginOAuth2: createBeginOAuth2({ configstore, providers, flows, clock }),
    clock,
    logger,
    metrics,
    loginGuard: new LoginGuard(clock),
    sharedLogs: new SharedLogs(runservice),
    runChanges: new RunChangesFeed({ runservice, clock, logger }),
  }
  const handlers: Handlers = {
    ...sessionHandlers(shared),
    ...userHandlers(shared),
    ...accountHandlers(shared),
    ...organizationHandlers(shared),
    ...projectHandlers(shared),
    ...remoteProjectHandlers(shared),
    ...secretHandlers(shared),
    ...homeHandlers(shared),
    ...runHandlers(shared),
    ...runHistoryHandlers(shared),
    ...directRunHandlers(shared),
    ...deliveryHandlers(shared),
    ...systemHandlers(shared),
    ...keyHandlers(shared),
    ...notificationHandlers(shared),
  }
  app.decorateRequest('caller')
  app.decorateRequest('gone')
  mountWebSafety(app, { base: apiBase, settings, isSecure: (request) => isSecure(request, settings) })
  // An import is a stream of any size; it is read as it comes.
  app.addContentTypeParser('application/octet-stream', (_, payload, done) => done(null, payload))
  for (const [id, route] of Object.entries(routes) as [RouteId, Route][])
    mountRoute(app, id, route, handlers[id] as Handler<Route>, mounted)
  mountOAuth2Pages(app, { ...shared, generation: mounted.generation })
  mountDeliveries(app, { ...shared, database, tryPollLock: components.tryPollLock })
  mountProbes(app, { metrics, readiness: components.readiness ?? (() => ({ isReady: true })) })
  const closing = new AbortController()
  app.addHook('onClose', async () => closing.abort())
  void metrics.follow(closing.signal)
  if (settings.tracingEndpoint !== undefined) {
    const tracing = { endpoint: settings.tracingEndpoint, version: settings.version }
    void new TraceExporter(tracing, { runservice, clock, logger }).run(closing.signal)
  }
}
