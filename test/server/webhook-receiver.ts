// Hears what is told of runs.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One request. */
export type Told = {
  readonly event: string
  readonly eventId: string
  readonly delivery: string
  readonly timestamp: string
  readonly signature: string
  readonly body: string
}

/** Listens on this machine; answers nothing until `answer` is called. */
export async function openWebhookReceiver() {
  const told: Told[] = []
  const held: ServerResponse[] = []
  let answers = false
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    let body = ''
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString()
    })
    request.on('end', () => {
      const header = (name: string) => String(request.headers[name])
      told.push({
        event: header('slipway-event'),
        eventId: header('slipway-event-id'),
        delivery: header('slipway-delivery'),
        timestamp: header('slipway-timestamp'),
        signature: header('slipway-signature'),
        body,
      })
      if (answers) response.writeHead(200).end()
      else held.push(response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    told,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    /** From now on, and what has come before. */
    answer: () => {
      answers = true
      for (const response of held.splice(0)) response.writeHead(200).end()
    },
    /** Answers nothing from now on. */
    hold: () => {
      answers = false
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** What was heard of each event, by its id; more than one when what came again was not the same. */
export function contentsByEvent(told: readonly Told[]): ReadonlyMap<string, ReadonlySet<string>> {
  const contents = new Map<string, Set<string>>()
  for (const { eventId, event, delivery, body } of told) {
    const known = contents.get(eventId) ?? new Set()
    contents.set(eventId, known.add(`${event} ${delivery} ${body}`))
  }
  return contents
}
