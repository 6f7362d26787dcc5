// Git's own smart HTTP server behind a password, for tests: `git http-backend` as the CGI program it is.

import { spawn } from 'node:child_process'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type GitHttpServer = AsyncDisposable & {
  readonly url: string
  /** Requests that came with the right credentials, and without. */
  readonly seen: { authorized: number; refused: number }
}

/** Serves the repositories below `root` to whoever knows `credentials` (`user:password`). */
export async function startGitHttpServer(root: string, credentials: string): Promise<GitHttpServer> {
  const seen = { authorized: 0, refused: 0 }
  const expected = `Basic ${Buffer.from(credentials).toString('base64')}`
  const server = createServer((request, response) => {
    if (request.headers.authorization !== expected) {
      seen.refused++
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end()
      return
    }
    seen.authorized++
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    void answerGit(request, response, { root, pathname: decodeURIComponent(pathname), mayPush: true })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export type GitAnswerOptions = {
  readonly root: string
  /** Of the request, below `root`: `/web.git/info/refs`. */
  readonly pathname: string
  readonly mayPush: boolean
}

/** Answers one request of git's smart HTTP; resolves when git has ended. */
export function answerGit(
  request: IncomingMessage,
  response: ServerResponse,
  { root, pathname, mayPush }: GitAnswerOptions,
): Promise<void> {
  const { search } = new URL(request.url ?? '/', 'http://localhost')
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      REQUEST_METHOD: request.method,
      PATH_INFO: pathname,
      QUERY_STRING: search.slice(1),
      CONTENT_TYPE: request.headers['content-type'],
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'],
      GIT_PROTOCOL: request.headers['git-protocol'] as string | undefined,
      // Only who has a name may push.
      ...(mayPush ? { REMOTE_USER: 'test' } : {}),
      // Whoever owns the repositories of the test.
      GIT_CONFIG_COUNT: '3',
      GIT_CONFIG_KEY_0: 'safe.directory',
      GIT_CONFIG_VALUE_0: '*',
      GIT_CONFIG_KEY_1: 'uploadpack.allowFilter',
      GIT_CONFIG_VALUE_1: 'true',
      GIT_CONFIG_KEY_2: 'uploadpack.allowAnySHA1InWant',
      GIT_CONFIG_VALUE_2: 'true',
    },
  })
  request.pipe(child.stdin)
  child.stdin.on('error', () => {})
  let head = Buffer.alloc(0)
  child.stdout.on('data', (chunk: Buffer) => {
    if (response.headersSent) return void response.write(chunk)
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) return
    const headers = Object.fromEntries(
      head
        .subarray(0, end)
        .toString()
        .split('\r\n')
        .map((line) => line.split(/: (.*)/s, 2)),
    )
    const { Status: status = '200', ...rest } = headers as Record<string, string>
    response.writeHead(Number.parseInt(status, 10), rest)
    response.write(head.subarray(end + 4))
  })
  return new Promise((resolve) =>
    child.on('close', () => {
      response.end()
      resolve()
    }),
  )
}
