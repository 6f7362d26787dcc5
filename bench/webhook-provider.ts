// The provider of webhooks.ts, in a process of its own: the GitHub of the tests with one repository. Arguments: URL of the Slipway that
// may link accounts. Answers `hook` with the webhook of a push and the secret it was signed with, and `use` with what it was asked.
//
// It reads with git, several processes for each request, so what the repository's API has answered once it answers again: content of
// commits does not change, and nothing else is changed here.

import { createInterface } from 'node:readline'
import type { ApiAnswer, ApiRoute } from '../test/providers/flavour.ts'
import { githubFlavour } from '../test/providers/github-server.ts'
import { ProviderServer } from '../test/providers/provider-server.ts'
import { noSha } from '../test/providers/server-repository.ts'

export type WebhookProviderHello = {
  readonly url: string
  readonly application: { readonly clientId: string; readonly clientSecret: string }
  readonly user: { readonly login: string; readonly password: string }
  readonly repositoryPath: string
}
export type ProviderHook = {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly secret: string
}
/** Since the process began. */
export type ProviderUse = {
  readonly cpuMs: number
  /** By method and path, the names of objects left out. */
  readonly requests: Readonly<Record<string, number>>
}

const definition = {
  runs: [
    {
      name: 'bench',
      tasks: [{ name: 'build', runtime: { containers: [{ image: 'busybox' }] }, steps: [{ run: ':' }] }],
    },
  ],
}
/** Kilobytes. Of a repository of 0 GitHub does not say whether it is empty, as the server of the tests has them all. */
const size = 64

async function serve(slipwayUrl: string): Promise<void> {
  const answers = new Map<string, ApiAnswer | undefined>()
  const remembering = (route: ApiRoute): ApiRoute => ({
    ...route,
    handle: async (call) => {
      const isOfContent = /\/(contents|git|statuses)\//.test(route.path)
      const key = `${route.method} ${call.url.href}`
      if (isOfContent && answers.has(key)) return answers.get(key)
      const found = await route.handle(call)
      const isRepository = route.path.endsWith('/repositories/{id}') && found?.status === 200
      const answer = isRepository ? { ...found, body: { ...(found.body as object), size } } : found
      if (isOfContent) answers.set(key, answer)
      return answer
    },
  })
  const flavour = { ...githubFlavour, routes: githubFlavour.routes.map(remembering) }
  await using provider = await ProviderServer.open(flavour)
  const user = provider.createUser('ann-there')
  const files = { '.slipway/config.json': JSON.stringify(definition) }
  const repository = await provider.createRepository('acme/web', { administrator: user, files, isPrivate: true })
  const { clientId, clientSecret } = provider.createApplication('Slipway', [`${slipwayUrl}/oauth2/callback`])
  const { login, password } = user
  say({
    url: provider.url,
    application: { clientId, clientSecret },
    user: { login, password },
    repositoryPath: repository.path,
  } satisfies WebhookProviderHello)
  for await (const line of createInterface(process.stdin)) {
    if (line === 'hook') {
      const hook = repository.hooks[0]!
      const push = { ref: 'refs/heads/main', before: noSha, after: repository.git('rev-parse', 'main'), user }
      const request = flavour.hookRequest(provider, repository, hook, { kind: 'push', push })
      say({ ...request!, secret: hook.secret } satisfies ProviderHook)
    } else {
      const { user: inCode, system } = process.cpuUsage()
      const requests: Record<string, number> = {}
      for (const { method, url } of provider.requests) {
        const what = `${method} ${url.replace(/\?.*/, '').replaceAll(/[0-9a-f]{40}/g, 'SHA')}`
        requests[what] = (requests[what] ?? 0) + 1
      }
      say({ cpuMs: (inCode + system) / 1000, requests } satisfies ProviderUse)
    }
  }
}

const say = (line: object) => void process.stdout.write(`${JSON.stringify(line)}\n`)

// Imported for its types it does nothing.
if (process.argv[1] === import.meta.filename) await serve(process.argv[2] ?? '')
