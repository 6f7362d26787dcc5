// Pages for machines that watch the server. They need no login: they say nothing about what is stored.

import type { FastifyInstance } from 'fastify'

export type Readiness = { readonly isReady: boolean; readonly why?: string }

export type ProbesComponents = {
  readonly metrics: { readonly contentType: string; text(): Promise<string> }
  readonly readiness: () => Readiness | Promise<Readiness>
}

/** `/healthz`: the process answers. `/readyz`: it can serve, else 503. `/metrics`: for Prometheus. */
export function mountProbes(app: FastifyInstance, { metrics, readiness }: ProbesComponents): void {
  app.get('/healthz', async () => ({ status: 'ok' }))
  app.get('/readyz', async (_, reply) => {
    const { isReady, why } = await readiness()
    void reply.status(isReady ? 200 : 503)
    return isReady ? { status: 'ok' } : { status: 'not ready', ...(why === undefined ? {} : { why }) }
  })
  app.get('/metrics', async (_, reply) => {
    void reply.type(metrics.contentType)
    return await metrics.text()
  })
}
