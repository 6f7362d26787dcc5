// The bare work of taking a webhook: Node's HTTP server, a signature, and a synced row in SQLite before the answer. Arguments: a
// folder, the secret. Prints its port, and its processor time in milliseconds whenever a line comes in.

import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { SqliteCommits } from './sqlite-commits.ts'

const [, , folder = '', secret = ''] = process.argv
using database = new SqliteCommits(`${folder}/floor.sqlite`)
let number = 0
const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const body = Buffer.concat(chunks)
    const right = Buffer.from(`sha256=${createHmac('sha256', secret).update(body).digest('hex')}`)
    const given = Buffer.from(String(request.headers['x-hub-signature-256']))
    if (given.length !== right.length || !timingSafeEqual(given, right)) return void response.writeHead(403).end()
    const { ref } = JSON.parse(body.toString()) as { ref: string }
    number++
    database.commit([{ id: String(request.headers['x-github-delivery']), group: ref, number, pad: 'x'.repeat(1000) }])
    response.writeHead(202, { 'content-length': 0 }).end()
  })
})
// Longer than a benchmark: a connection that is closed while it is used again would be an error.
server.keepAliveTimeout = 600_000
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  console.log(JSON.stringify({ port: typeof address === 'object' ? address?.port : undefined }))
})
for await (const _ of createInterface(process.stdin)) {
  const { user, system } = process.cpuUsage()
  console.log(JSON.stringify({ cpuMs: (user + system) / 1000 }))
}
server.closeAllConnections()
server.close()
