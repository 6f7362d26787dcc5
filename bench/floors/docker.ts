// What an engine can do at best: containers made, started, used and removed by bare calls of its API on its socket, and by
// its own command line. Imports nothing of the project.

import { spawn } from 'node:child_process'
import { Agent, request } from 'node:http'

const socketPath = '/var/run/docker.sock'
const agent = new Agent({ keepAlive: true })

function call(method: string, path: string, body?: unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body)
    const outgoing = request(
      {
        socketPath,
        agent,
        method,
        path: `/v1.41${path}`,
        headers: { host: 'docker', 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      },
      (response) => {
        let answer = ''
        response.on('data', (chunk) => {
          answer += chunk
        })
        response.on('end', () => {
          if ((response.statusCode ?? 500) < 400) resolve(answer)
          else reject(new Error(`${method} ${path}: ${response.statusCode} ${answer}`))
        })
      },
    )
    outgoing.on('error', reject)
    outgoing.end(text)
  })
}

const idOf = (answer: string) => (JSON.parse(answer) as { Id: string }).Id

/** Create, start, `execs` times exec one after another, remove: with the engine's own init. Milliseconds. */
export async function containerWithExecs(image: string, execs: number): Promise<number> {
  const begin = performance.now()
  const id = idOf(
    await call('POST', '/containers/create', { Image: image, Cmd: ['sleep', '3600'], HostConfig: { Init: true } }),
  )
  await call('POST', `/containers/${id}/start`)
  for (let i = 0; i < execs; i++) {
    const exec = idOf(
      await call('POST', `/containers/${id}/exec`, {
        Cmd: ['sh', '-c', 'echo hello'],
        AttachStdout: true,
        AttachStderr: true,
      }),
    )
    const output = await call('POST', `/exec/${exec}/start`, { Detach: false })
    if (!output.includes('hello')) throw new Error(`the exec printed ${JSON.stringify(output)}`)
  }
  await call('DELETE', `/containers/${id}?force=1&v=1`)
  return performance.now() - begin
}

/** `count` times `docker run --rm` at once. Milliseconds until the last has ended. */
export async function dockerRuns(image: string, count: number): Promise<number> {
  const begin = performance.now()
  await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<void>((resolve, reject) => {
          const child = spawn('docker', ['run', '--rm', image, 'sh', '-c', 'echo hello'], { stdio: 'ignore' })
          child.on('error', reject)
          child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`docker run ended with ${code}`))))
        }),
    ),
  )
  return performance.now() - begin
}

/** Lets go of the kept connections, so that the process can end. */
export function closeFloor(): void {
  agent.destroy()
}
