// What makes a provider server GitHub, GitLab, Gitea or Forgejo.

import type { IncomingHttpHeaders } from 'node:http'
import type { ProviderType } from '../../src/gitsource/provider.ts'
import type { ProviderServer, ServerEvent, ServerUser } from './provider-server.ts'
import type { ServerHook, ServerRepository } from './server-repository.ts'

export type ApiCall = {
  readonly server: ProviderServer
  /** By name of the path's part, decoded. */
  readonly params: Readonly<Record<string, string>>
  readonly url: URL
  readonly query: URLSearchParams
  readonly body: unknown
  readonly headers: IncomingHttpHeaders
  /** Undefined: nobody, of a public route. */
  readonly user?: ServerUser
  readonly isPassword?: boolean
}

export type ApiAnswer = {
  readonly status: number
  /** JSON, or bytes. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export type ApiRoute = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** `/repos/{owner}/{repo}/git/ref/{ref+}`: `+` takes the rest, with slashes. */
  readonly path: string
  /** Its path in the description, when that one has another or none. */
  readonly describedAs?: string
  /** Also without a token. */
  readonly isPublic?: boolean
  /** Undefined is 404. */
  readonly handle: (call: ApiCall) => ApiAnswer | undefined | Promise<ApiAnswer | undefined>
}

export type ProviderFlavour = {
  readonly type: ProviderType
  /** `GitHub`. */
  readonly name: string
  /** `/api/v3`. */
  readonly apiPath: string
  /** OpenAPI or Swagger, reduced to the operations of `routes`: what is read must be there. */
  readonly description: object
  /** Nothing else may be told than `description` has. */
  readonly isComplete?: boolean
  /** The provider's own, where that one calls nothing required: nothing else may be asked or told. Answers in `wrong` are not as it says. */
  readonly published?: { readonly description: object; readonly wrong: RegExp }
  readonly routes: readonly ApiRoute[]
  readonly errorBody: (status: number, message: string) => unknown
  /** Its way to say that there were too many requests. `now`: milliseconds since 1970. */
  readonly rateLimited: (now: number, seconds: number) => ApiAnswer
  /** The token that a request came with; not that of Basic. */
  readonly tokenOf: (headers: IncomingHttpHeaders) => string | undefined
  /** Undefined when the hook does not want to hear of it. */
  readonly hookRequest: (
    server: ProviderServer,
    repository: ServerRepository,
    hook: ServerHook,
    event: ServerEvent,
  ) => { readonly headers: Readonly<Record<string, string>>; readonly body: string } | undefined
  /** Of a hook that somebody has delivered again; without it they are the same. */
  readonly redeliveredHeaders?: (before: Readonly<Record<string, string>>) => Readonly<Record<string, string>>
  readonly pullRequestRef: (number: number) => string
  /** Of a push with more branches than that, or more tags, no hook tells; undefined: of each. */
  readonly hookedRefsMost?: number
  /** Pull requests end with the branch that they are of, and with the fork that has it. */
  readonly closesWithBranch?: boolean
  readonly oauth2: {
    readonly authorizePath: string
    readonly tokenPath: string
    /** Undefined: tokens do not expire and there is nothing to refresh. */
    readonly expiresInSeconds: number | undefined
    /** What is answered when one of these is not right. */
    readonly refusals: Readonly<
      Record<'application' | 'code' | 'refreshToken', { readonly status: number; readonly error: string }>
    >
    /** Whether `response_type=code` has to be there. */
    readonly needsResponseType: boolean
    /** What Slipway asks for; other scopes are a violation. */
    readonly scope: string
  }
}
