// The addresses of git's repositories in a process that has none: whoever knows this process need not know those that serve them.

import type { FastifyInstance } from 'fastify'
import { RequestForwarder } from '../../http/forward-request.ts'
import { repositoriesPath } from '../api.ts'

/** Adds the routes, which end with the application. `urls`: of instances of the git server. */
export async function mountGitserverForward(app: FastifyInstance, urls: readonly string[]): Promise<void> {
  const forwarder = new RequestForwarder(urls)
  await app.register(async (inner) => {
    inner.addHook('onClose', async () => forwarder[Symbol.dispose]())
    inner.removeAllContentTypeParsers()
    inner.addContentTypeParser('*', (_, payload, done) => done(null, payload))
    inner.route({
      method: ['GET', 'POST'],
      url: `${repositoriesPath}/*`,
      bodyLimit: Number.MAX_SAFE_INTEGER,
      exposeHeadRoute: false,
      handler: (request, reply) => forwarder.forward(request, reply),
    })
  })
}
