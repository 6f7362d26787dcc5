import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { systemClock } from '../../../lib/clock.ts'
import { Engine } from './engine.ts'
import { removeOldHelperVolumes } from './helper-volume.ts'

const days = 24 * 60 * 60 * 1000
const now = Date.parse('2026-06-30T00:00:00Z')

test('unused helpers of versions older than a week are removed; what the engine refuses to remove stays', async () => {
  const volumes = [
    { Name: 'new', CreatedAt: new Date(now - 6 * days).toISOString() },
    { Name: 'in-use', CreatedAt: new Date(now - 8 * days).toISOString() },
    { Name: 'old', CreatedAt: new Date(now - 8 * days).toISOString() },
    { Name: 'without-time' },
  ]
  const asked: string[] = []
  const server = createServer((request, response) => {
    const url = new URL(request.url!, 'http://engine')
    if (url.pathname === '/version') return response.end('{"ApiVersion":"1.41"}')
    asked.push(
      `${request.method} ${url.pathname.replace('/v1.41', '')} ${url.searchParams.get('filters') ?? ''}`.trim(),
    )
    if (request.method === 'GET') return response.end(JSON.stringify({ Volumes: volumes }))
    response.writeHead(url.pathname.endsWith('/in-use') ? 409 : 204)
    return response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  try {
    await using engine = await Engine.open({ address: { kind: 'tcp', host: '127.0.0.1', port }, clock: systemClock })
    await removeOldHelperVolumes(engine, now)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  expect(asked).toEqual([
    'GET /volumes {"label":["dev.slipway.helper"],"dangling":["true"]}',
    'DELETE /volumes/in-use',
    'DELETE /volumes/old',
  ])
})
