// `slipway directrun start` once its options are parsed.

import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type ApiClient, createClient } from '../../contract/client.ts'
import type { BodyOf, ResponseOf } from '../../contract/route.ts'
import type { ApiRoutes } from '../../contract/routes.ts'
import { systemClock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { gitText } from '../../lib/git.ts'
import { formatDiagnostic } from '../../pipeline/config/diagnostic.ts'
import { isSecretRef } from '../../pipeline/run-config.ts'
import { selectTasks } from '../../pipeline/select-tasks.ts'
import { readDefinition, requireConfig } from '../definition.ts'
import { type EventOptions, refOf } from '../event-options.ts'
import { exitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'
import { type ConnectOptions, resolveContext } from '../remote/connect.ts'
import { inWordsOfCommand } from '../remote/remote-command.ts'
import type { ApprovalPolicy } from '../run/approve-mode.ts'
import { followAll, stopOrCancel } from '../run/follow-all.ts'
import { openOutput } from '../run/open-output.ts'
import type { OutputMode } from '../run/output-mode.ts'
import { Questions } from '../run/questions.ts'
import { shellWord } from '../run/repeat-commands.ts'
import type { RunEventSink } from '../run/run-event.ts'
import type { RepeatCommands } from '../run/summary.ts'
import { parseVariables, type VariableOptions } from '../variable-options.ts'
import { type FrozenTree, freezeTree } from '../working-tree/freeze.ts'
import { findRepository, originUrl, type Repository } from '../working-tree/repository.ts'
import { pushTree } from './push-tree.ts'
import { RemoteRuns } from './remote-runs.ts'
import { localRepositoryId } from './repository-id.ts'
import { ServerInterrupts } from './server-interrupts.ts'

export type DirectRunOptions = ConnectOptions &
  EventOptions &
  VariableOptions & {
    readonly task: readonly string[]
    readonly untracked: boolean
    readonly ignored?: true
    readonly message: string
    readonly follow: boolean
    readonly approve?: Exclude<ApprovalPolicy, 'none'>
    readonly output?: OutputMode
  }

type Created = ResponseOf<ApiRoutes['createDirectRuns']>

/** Returns the exit status. */
export async function startDirectRun(options: DirectRunOptions, io: Io): Promise<number> {
  const { url, token } = resolveContext(options, io)
  if (token === undefined)
    throw new SlipwayError(
      'usage',
      `a direct run needs a token of yours: slipway login ${url} once, or set SLIPWAY_TOKEN`,
    )
  if (options.ignored && !options.untracked)
    throw new SlipwayError('usage', '--ignored adds files that are not tracked: leave --no-untracked out')
  const repository = await findRepository(io.cwd)
  const clock = systemClock
  const repeat = new DirectRunRepeats(options)
  using output = await openOutput({ mode: options.output, repeat, clock }, io)
  using questions = new Questions(io, output)
  using interrupts = new ServerInterrupts({ io, output, questions })
  const client = createClient({ url, token })
  const start = async () => {
    const created = await create({ options, io, repository, output, client, url, token, signal: interrupts.signal })
    if (created === undefined) return exitStatus.success
    const user = created.user
    repeat.runs = created.runs.map(({ number }) => `@${user}#${number}`)
    for (const { name, number } of created.runs) {
      const address = `${url}/users/${encodeURIComponent(user)}/runs/${number}`
      await output.write({ type: 'notice', message: `Run ${name} is @${user}#${number}: ${address}` })
    }
    const runs = new RemoteRuns(client)
    const stopAll = async () => {
      await Promise.all(created.runs.map(({ id }) => stopOrCancel(runs, id)))
    }
    interrupts.hasRuns(stopAll)
    if (!options.follow) {
      if (interrupts.signal.aborted) await stopAll()
      return exitStatus.success
    }
    const approve = options.approve ?? (io.stdin.isTTY && io.stdout.isTTY ? 'ask' : 'wait')
    return await followAll({ output, questions, approve, stopping: interrupts.signal, clock }, runs, created.runs)
  }
  try {
    return await inWordsOfCommand(start, url)
  } finally {
    await output.finish()
  }
}

type CreateContext = {
  readonly options: DirectRunOptions
  readonly io: Io
  readonly repository: Repository
  readonly output: RunEventSink
  readonly client: ApiClient
  readonly url: string
  readonly token: string
  readonly signal: AbortSignal
}

/** Undefined when no run of the definition matches, which is told. */
async function create(context: CreateContext): Promise<(Created & { readonly user: string }) | undefined> {
  const { options, io, repository, output, client, url, token, signal } = context
  const { branch } = repository
  const folder = await mkdtemp(join(tmpdir(), 'slipway-directrun-')) // mode 0700
  try {
    const ref = refOf(options, branch)
    const given = parseVariables(options, io.environment)
    // Said before anything is sent; the server looks at what it got once more.
    const definition = readDefinition(repository, undefined)
    for (const message of [...definition.notices, ...definition.warnings.map(formatDiagnostic)])
      await output.write({ type: 'notice', message })
    selectTasks(requireConfig(definition), options.task)
    const files = { untracked: options.untracked, ignored: options.ignored ?? false, lfsContents: true }
    const [frozen, repositoryId, origin, user] = await settled([
      freezeTree(repository, folder, signal, files),
      localRepositoryId(repository),
      originUrl(repository),
      client.call('getCurrentUser', { signal }),
    ])
    await checkSent(frozen, definition.path, signal)
    const repositoryAddress = `${url}/repos/${user.id}/${repositoryId}.git`
    const line = branch ?? 'HEAD'
    await pushTree(frozen, { url: repositoryAddress, token, line, now: Date.now() }, signal)
    signal.throwIfAborted()
    const body: BodyOf<ApiRoutes['createDirectRuns']> = {
      repositoryId,
      commitSha: frozen.commitSha,
      ...refMembers(ref),
      message: options.message,
      ...(options.task.length === 0 ? {} : { tasks: [...options.task] }),
      ...variableMembers(given),
      ...originMembers(origin),
      ...submoduleMembers(frozen),
    }
    const created = await client.call('createDirectRuns', { body, idempotencyKey: randomUUID() })
    for (const { name, message } of created.notCreated)
      await output.write({ type: 'notice', message: `Run ${name} is not created: ${message}` })
    if (created.runs.length > 0) return { ...created, user: user.name }
    await output.write({ type: 'notice', message: `No run of the definition matches ${ref.ref}` })
    return undefined
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The server reads the definition from what it is sent. Errors: `config_not_found` with what keeps it out. */
async function checkSent({ path, commitSha }: FrozenTree, file: string, signal: AbortSignal): Promise<void> {
  // A link in the place of a folder has nothing below it.
  const found = await gitText(['--git-dir', path, 'ls-tree', '-z', commitSha, '--', file, dirname(file)], { signal })
  if (/^100\d{3} blob /.test(found)) return
  const why = found.startsWith('120000')
    ? 'its path leads over a symbolic link, which the server does not follow'
    : 'it is ignored by git (see git check-ignore -v) or new and left out by --no-untracked'
  throw new SlipwayError('config_not_found', `the definition ${file} is here, but not in what would be sent: ${why}`)
}

/** All of them, and the first failure only when none of them works any more. */
async function settled<T extends readonly unknown[]>(work: { readonly [I in keyof T]: Promise<T[I]> }): Promise<T> {
  await Promise.allSettled(work)
  return (await Promise.all(work)) as unknown as T
}

function refMembers({ refType, ref, branch }: ReturnType<typeof refOf>): { readonly ref?: string } {
  return refType === 'branch' && branch === '' ? {} : { ref }
}

function variableMembers({ variables, secrets }: ReturnType<typeof parseVariables>) {
  const plain = [...variables].flatMap(([name, value]) => (isSecretRef(value) ? [] : [[name, value] as const]))
  return {
    ...(plain.length === 0 ? {} : { variables: Object.fromEntries(plain) }),
    ...(Object.keys(secrets).length === 0 ? {} : { secrets }),
  }
}

/** What is no address for others stays here. */
function originMembers(origin: string): { readonly originUrl?: string } {
  const withoutSecrets = origin.replace(/^(https?:\/\/)[^/]*@/i, '$1')
  const isAddress = /^(https?|ssh|git):\/\//i.test(withoutSecrets) || /^[^/:\s]+@[^/:\s]+:/.test(withoutSecrets)
  return isAddress && withoutSecrets.length <= 1000 ? { originUrl: withoutSecrets } : {}
}

function submoduleMembers({ submodules }: FrozenTree): { readonly submodules?: string[] } {
  return submodules.length === 0 ? {} : { submodules: submodules.map(({ module }) => module) }
}

/** How a person repeats what failed; what the runs are called is known once they are made. */
class DirectRunRepeats implements RepeatCommands {
  readonly #again: readonly string[]
  runs: readonly string[] = []

  constructor(options: DirectRunOptions) {
    const event = (['branch', 'tag', 'pr', 'ref'] as const).flatMap((name) =>
      options[name] === undefined ? [] : [`--${name}`, options[name]],
    )
    this.#again = [
      ...event,
      ...options.var.flatMap((value) => ['--var', value]),
      ...options.varFile.flatMap((value) => ['--var-file', value]),
    ]
  }

  get fromFailed(): string {
    return ['slipway', 'runs', 'restart', ...this.runs.slice(0, 1)].map(shellWord).join(' ')
  }

  task(name: string): string {
    return ['slipway', 'directrun', 'start', '--task', name, ...this.#again].map(shellWord).join(' ')
  }

  log(name: string): string {
    return ['slipway', 'runs', 'logs', ...this.runs.slice(0, 1), '--task', name].map(shellWord).join(' ')
  }
}
