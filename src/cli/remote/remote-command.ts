// How a command with a server is declared: its own options, those all of them have, and errors in words.

import { type Command, Option } from 'commander'
import type { ApiClient } from '../../contract/client.ts'
import { SlipwayError } from '../../lib/errors.ts'
import type { Io } from '../io.ts'
import type { ConnectOptions } from './connect.ts'
import { type OutputFormat, outputFormats } from './print.ts'

/** What the action of such a command has. */
export type Remote = {
  readonly client: ApiClient & { readonly url: string }
  readonly io: Io
  readonly format: OutputFormat
}

export type RemoteOptions = ConnectOptions & { readonly output: OutputFormat }

/**
 * Adds the common options to `command` and runs `action` with a connection. `action` gets options and arguments of the command as
 * commander gives them; what it resolves to is the exit status.
 */
export type AddRemote = <A extends readonly unknown[], O extends object>(
  command: Command,
  action: (remote: Remote, options: O, ...args: A) => Promise<number | undefined>,
) => void

/** For the files below commands/remote: `setStatus` gets the exit status. */
export function remoteCommands(io: Io, setStatus: (status: number) => void): AddRemote {
  return (command, action) => {
    command
      .addOption(new Option('--server <url>', 'the server (default: that of the context)').conflicts('context'))
      .addOption(new Option('--context <name>', 'the context (default: the current one)'))
      .option('--token-file <file>', 'a file with the token')
      .addOption(new Option('-o, --output <format>', 'how to tell').choices(outputFormats).default('table'))
      .allowExcessArguments(false)
      .action(async (...given: unknown[]) => {
        // commander: the arguments, the options, the command.
        const options = given.at(-2) as RemoteOptions
        const args = given.slice(0, -2)
        const { connect } = await import('./connect.ts')
        const remote = { client: connect(options, io), io, format: options.output }
        const status = await inWordsOfCommand(
          () => action(remote, options as never, ...(args as never)),
          remote.client.url,
        )
        setStatus(status ?? 0)
      })
  }
}

/** An answer of the server as an error of the command: its message, and what to do where that is clear. */
export async function inWordsOfCommand<T>(call: () => Promise<T>, url: string): Promise<T> {
  try {
    return await call()
  } catch (error) {
    // Loaded by whoever called: commands without a server do not wait for the contract.
    const { ApiError } = await import('../../contract/client.ts')
    if (!(error instanceof ApiError)) throw error
    const hint = hints[error.code] ?? ''
    const trace =
      error.status >= 500 && error.requestId !== undefined
        ? ` (request ${error.requestId} in the log of the server)`
        : ''
    const code = error.status >= 500 ? 'service_unavailable' : 'usage'
    throw new SlipwayError(code, `${error.message}${hint.replaceAll('URL', url)}${trace}`, { cause: error })
  }
}

const hints: Readonly<Record<string, string>> = {
  unauthenticated: ': slipway login URL',
  version_conflict: ': somebody changed it meanwhile, look again',
}

/** Items of all pages, at most `limit`. */
export async function allPages<T>(
  page: (query: {
    readonly limit: number
    readonly cursor?: string
  }) => Promise<{ readonly items: readonly T[]; readonly nextCursor?: string }>,
  limit: number = Number.POSITIVE_INFINITY,
): Promise<readonly T[]> {
  const items: T[] = []
  let cursor: string | undefined
  do {
    const answer = await page({
      limit: Math.min(100, limit - items.length),
      ...(cursor === undefined ? {} : { cursor }),
    })
    items.push(...answer.items)
    cursor = answer.nextCursor
  } while (cursor !== undefined && items.length < limit)
  return items
}
