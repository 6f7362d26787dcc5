// The bare work of an answer: Node's HTTP server, and a text of `bytes` bytes that is at hand. Arguments: bytes.
// Prints its port, and its processor time in milliseconds whenever a line comes in.

import { createServer } from 'node:http'
import { createInterface } from 'node:readline'

const text = 'x'.repeat(Number(process.argv[2]))
const server = createServer((_, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length })
  response.end(text)
})
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
