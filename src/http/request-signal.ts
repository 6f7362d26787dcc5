// Signals of requests that run: aborted when their caller goes away, or the server stops. Knows Fastify by its types only, so that who
// serves an interface does not load a server.

import type { FastifyInstance, FastifyReply } from 'fastify'
import { SlipwayError } from '../lib/errors.ts'

/** Controllers of requests that run. */
const stoppers = new WeakMap<FastifyInstance, Set<AbortController>>()

/** To be called once for an application, before it has requests. */
export function trackRequests(app: FastifyInstance): void {
  stoppers.set(app, new Set())
}

/** Aborts the signals of all requests that run. */
export function endRequests(app: FastifyInstance, reason: SlipwayError): void {
  for (const controller of stoppers.get(app) ?? []) controller.abort(reason)
}

/**
 * Aborted when the caller goes away or the server stops. For handlers that stream or wait; a mutation does not look at it, so
 * that a caller's impatience does not decide whether it is known what happened.
 */
export function requestSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  const running = stoppersOf(reply.server)
  running?.add(controller)
  reply.raw.once('close', () => {
    running?.delete(controller)
    if (!reply.raw.writableFinished) controller.abort(new SlipwayError('cancelled', 'the caller went away'))
  })
  return controller.signal
}

/** A plugin's instance inherits from the one it was registered in. */
function stoppersOf(app: FastifyInstance): Set<AbortController> | undefined {
  for (let object: object | null = app; object !== null; object = Object.getPrototypeOf(object) as object | null) {
    const found = stoppers.get(object as FastifyInstance)
    if (found !== undefined) return found
  }
  return undefined
}
