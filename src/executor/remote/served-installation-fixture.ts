// An installation that executors reach over HTTP.

import { openHttpServer } from '../../http/http-server.ts'
import { systemClock } from '../../lib/clock.ts'
import { type Logger, silentLogger } from '../../lib/log.ts'
import { mountExecutorRoutes } from '../../runservice/executors/executor-routes.ts'
import { type Installation, type InstallationOptions, openInstallation } from '../../runservice/service-fixture.ts'
import { type RemoteApiSettings, RemoteExecutorApi } from './remote-api.ts'

export type ServedInstallation = Installation & {
  readonly url: string
  readonly port: number
  /** A client with a new token; `url` is that of a proxy, say. Closed with the installation. */
  client(
    name: string,
    url?: string,
    more?: Partial<RemoteApiSettings> & { readonly logger?: Logger },
  ): Promise<{ readonly id: string; readonly token: string; readonly api: RemoteExecutorApi }>
}

export async function serveInstallation(options: InstallationOptions = {}): Promise<ServedInstallation> {
  await using undo = new AsyncDisposableStack()
  const installation = undo.use(await openInstallation(options))
  const { runservice } = installation
  const server = undo.use(
    await openHttpServer(
      { listen: { host: '127.0.0.1', port: 0 } },
      {
        logger: silentLogger,
        mount: (app) => mountExecutorRoutes(app, { runservice, clock: systemClock, logger: silentLogger }),
      },
    ),
  )
  const owned = undo.move()
  return {
    ...installation,
    url: server.url,
    port: server.port,
    client: async (name, url = server.url, { logger = silentLogger, ...more } = {}) => {
      const { token, executorId } = await runservice.createExecutorToken({ name })
      const api = owned.use(new RemoteExecutorApi({ url, token, ...more }, { clock: systemClock, logger }))
      return { id: executorId, token, api }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
