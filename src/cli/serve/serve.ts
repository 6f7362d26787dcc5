// `slipway serve`: opens the server and waits for the signal to stop.

import { resolve } from 'node:path'
import { systemClock } from '../../lib/clock.ts'
import { openServer } from '../../server/serve/open-server.ts'
import { createServerLog } from '../../server/serve/server-log.ts'
import { readSettings } from '../../server/settings/read-settings.ts'
import { exitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'

export type ServeOptions = {
  readonly config?: string
  readonly listen?: string
  readonly data?: string
  readonly components?: string
}

/** Resolves when the server has stopped as planned. A second signal ends the process at once. Errors: those of openServer. */
export async function serve(options: ServeOptions, io: Io, version: string): Promise<void> {
  const settings = readSettings({
    ...(options.config === undefined ? {} : { file: resolve(io.cwd, options.config) }),
    environment: io.environment,
    options: {
      listen: options.listen,
      dataDir: options.data === undefined ? undefined : resolve(io.cwd, options.data),
      components: options.components?.split(',').map((name) => name.trim()),
    },
  })
  const isTerminal = 'isTTY' in io.stderr && io.stderr.isTTY === true
  const logger = createServerLog(
    { level: settings.log.level, format: settings.log.format ?? (isTerminal ? 'text' : 'json') },
    io.stderr,
  )
  const stop = Promise.withResolvers<'stopped'>()
  let signals = 0
  using _ = io.onInterrupt((signal) => {
    if (++signals > 1) io.exit(exitStatus.stopped)
    logger.info('stopping', { signal })
    stop.resolve('stopped')
  })
  for (;;) {
    await using server = await openServer(settings, {
      clock: systemClock,
      logger,
      version,
      environment: io.environment,
    })
    logger.info('listening', { url: server.url, components: [...settings.components], dataDir: settings.dataDir })
    const end = await Promise.race([stop.promise, server.replaced.then(() => 'replaced' as const)])
    if (end === 'stopped') break
    logger.info('an import has replaced the data: opening it anew')
  }
  logger.info('stopped')
}
