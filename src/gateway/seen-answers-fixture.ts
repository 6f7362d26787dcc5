// What tests saw each operation answer, written down for whoever asks afterwards whether everything that the contract declares was
// seen (test/support/answers-reporter.ts).

import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'
import type { FastifyInstance } from 'fastify'
import { apiBase, type Route } from '../contract/route.ts'
import { routes } from '../contract/routes.ts'

/** The directory, in the environment of a test run. */
export const seenAnswersVariable = 'SLIPWAY_SEEN_ANSWERS'

const operations = new Map(
  Object.entries(routes as Readonly<Record<string, Route>>).map(([id, { method, path }]) => [
    `${method} ${apiBase}${path}`,
    id,
  ]),
)

/** Each answer once: `getRun 200`, `getRun run_not_found`. */
export function recordAnswers(app: FastifyInstance): void {
  const directory = process.env[seenAnswersVariable]
  if (directory === undefined) return
  const seen = new Set<string>()
  const file = join(directory, `${process.pid}-${threadId}`)
  app.addHook('onSend', async (request, reply, payload) => {
    const operation = operations.get(`${request.method} ${request.routeOptions.url}`)
    if (operation === undefined) return payload
    const answer = `${operation} ${reply.statusCode < 400 ? reply.statusCode : codeOf(payload)}\n`
    if (!seen.has(answer)) appendFileSync(file, answer)
    seen.add(answer)
    return payload
  })
}

function codeOf(payload: unknown): string {
  const { code } = JSON.parse(String(payload)) as { readonly code: string }
  return code
}
