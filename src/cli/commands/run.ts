// `slipway run`: the runs of the definition, on this machine, from the working tree as it is.

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Clock, systemClock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { silentLogger } from '../../lib/log.ts'
import { newUuid } from '../../lib/uuid.ts'
import { runAnnotations } from '../../pipeline/annotations.ts'
import type { Config, ConfigRun } from '../../pipeline/config/config.ts'
import { formatDiagnostic } from '../../pipeline/config/diagnostic.ts'
import type { GitEvent } from '../../pipeline/event.ts'
import { expandRun } from '../../pipeline/expand.ts'
import { escapeSegment, runGroup } from '../../pipeline/group.ts'
import { planRuns } from '../../pipeline/plan.ts'
import type { RunConfig } from '../../pipeline/run-config.ts'
import { staticEnvironment } from '../../pipeline/static-environment.ts'
import type { NewRunRequest, Runservice, RunView } from '../../runservice/api.ts'
import { isFinishedRun, type Run } from '../../runservice/types.ts'
import { type LocalServer, openLocalServer } from '../../server/local/local-server.ts'
import { type DriverChoice, driverChoices } from '../../server/local/open-drivers.ts'
import {
  type Invocation,
  listInvocations,
  lockInvocation,
  newInvocation,
  openStateDirectory,
  removeOldInvocations,
  type StateDirectory,
} from '../../server/local/state-directory.ts'
import { readDefinition, requireConfig } from '../definition.ts'
import { addEventOptions, type EventOptions, refOf } from '../event-options.ts'
import { exitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'
import { Approvals, type ApproveMode, approveModes } from '../run/approvals.ts'
import { type AskedRun, loadAsked, saveAsked } from '../run/asked-run.ts'
import { followRun } from '../run/follow-runs.ts'
import { keepUnchanged } from '../run/keep-unchanged.ts'
import { type OutputMode, openOutput, outputModes } from '../run/open-output.ts'
import type { RunEventSink } from '../run/run-event.ts'
import { selectTasks } from '../select-tasks.ts'
import { stateRoot } from '../state-root.ts'
import { parseVariables, type VariableOptions } from '../variable-options.ts'
import { type FrozenTree, freezeTree } from '../working-tree/freeze.ts'
import { currentBranch, findRepository, originUrl, type Repository } from '../working-tree/repository.ts'

type RunOptions = EventOptions &
  VariableOptions & {
    readonly task: readonly string[]
    readonly driver: DriverChoice
    readonly approve?: ApproveMode
    readonly jobs: number
    readonly pull: 'if_missing' | 'always' | 'never'
    readonly keepFailed?: true
    readonly fromFailed?: true
    readonly last?: true
    readonly output?: OutputMode
    readonly file?: string
  }

const collect = (value: string, before: readonly string[]) => [...before, value]

export function addRunCommand(program: Command, io: Io, setStatus: (status: number) => void): void {
  const command = program
    .command('run')
    .description('Run the definition of this repository here, uncommitted changes included')
    .option('-t, --task <name>', 'only this task and what it depends on (repeatable)', collect, [])
    .addOption(new Option('--driver <driver>', 'how tasks are executed').choices(driverChoices).default('auto'))
    .option(
      '--var <name[=value]>',
      'a variable: NAME takes a secret from the environment, NAME=value is not secret (repeatable)',
      collect,
      [],
    )
    .option('--var-file <file>', 'a file of NAME=value lines; all are secrets (repeatable)', collect, [])
    .addOption(
      new Option('--approve <mode>', 'tasks that need approval (default: ask on a terminal, else none)').choices(
        approveModes,
      ),
    )
    .option('-j, --jobs <number>', 'tasks at once', parseJobs, 2)
    .addOption(
      new Option('--pull <when>', 'when images are pulled')
        .choices(['if_missing', 'always', 'never'])
        .default('if_missing'),
    )
    .option('--keep-failed', 'keep the pod of a failed task, and say how to enter it')
    .option('--from-failed', 'repeat the last run with the working tree as it is, keeping the tasks that succeeded')
    .option('--last', 'show the last run; nothing is executed')
    .option('-f, --file <path>', 'the definition (default: .slipway/config.yml or .agola/config.yml)')
    .addOption(
      new Option('-o, --output <mode>', 'how to tell (default: tree on a terminal, else plain)').choices(outputModes),
    )
  addEventOptions(command)
  command.action(async (options: RunOptions) => setStatus(await run(options, io)))
}

function parseJobs(text: string): number {
  const jobs = Number(text)
  if (!Number.isInteger(jobs) || jobs < 1) throw new InvalidArgumentError('wants a whole number from 1')
  return jobs
}

async function run(options: RunOptions, io: Io): Promise<number> {
  const repository = await findRepository(io.cwd)
  const state = openStateDirectory(join(stateRoot(io.environment), repository.id))
  const output = openOutput(options.output, io)
  try {
    if (options.last) return await showLast(state, output)
    if (options.fromFailed) return await repeatFailed({ options, io, repository, state, output, clock: systemClock })
    return await runNew({ options, io, repository, state, output, clock: systemClock })
  } finally {
    await output.finish()
  }
}

type RunContext = {
  readonly options: RunOptions
  readonly io: Io
  readonly repository: Repository
  readonly state: StateDirectory
  readonly output: RunEventSink
  readonly clock: Clock
}

async function runNew(context: RunContext): Promise<number> {
  const { options, io, repository, state, clock } = context
  const asked: AskedRun = {
    ref: refOf(options, await currentBranch(repository)),
    tasks: options.task,
    ...(options.file === undefined ? {} : { file: options.file }),
    ...parseVariables(options, io.environment),
  }
  const config = await readConfig(asked, context)
  const invocation = newInvocation(state, clock.now(), randomBytes(3).toString('hex'))
  using _lock = invocation.lock
  saveAsked(invocation, asked)
  const source = await freezeSource(asked, repository, invocation)
  const requests: NewRunRequest[] = []
  for (const plan of planRuns(config, source.event)) {
    if (plan.kind !== 'created') continue
    requests.push(
      newRunRequest(await expand(config, plan.run, { asked, source, output: context.output }), asked, source),
    )
  }
  if (requests.length === 0) {
    await context.output.write({
      type: 'notice',
      message: `No run of the definition matches ${asked.ref.ref}; \`slipway plan\` says why`,
    })
    return exitStatus.success
  }
  const status = await withServer(context, invocation, source, async (server) => {
    return await followAll(context, server, await server.runservice.createRuns(requests))
  })
  await removeOldInvocations(state, limits.localRunsKept.value)
  return status
}

/** The failed runs of the last invocation again, with its options and in its state, so that what succeeded is there. */
async function repeatFailed(context: RunContext): Promise<number> {
  const { options, io, repository, state, output } = context
  const invocation = lockLast(state)
  using _lock = invocation.lock
  const before = loadAsked(invocation)
  const given = parseVariables(options, io.environment)
  const asked: AskedRun = {
    ...before,
    variables: new Map([...before.variables, ...given.variables]),
    secrets: given.secrets,
  }
  const config = await readConfig(asked, context)
  const source = await freezeSource(asked, repository, invocation)
  return await withServer(context, invocation, source, async ({ runservice, ...server }) => {
    const failed = newestOfEachName(runservice.listRuns({ limit: 100, oldestFirst: true })).filter(
      (run) => isFinishedRun(run.phase) && run.result !== 'success',
    )
    if (failed.length === 0)
      throw new SlipwayError('run_not_restartable', 'nothing failed in the last run: there is nothing to repeat')
    const requests: NewRunRequest[] = []
    for (const run of failed) {
      const definition = config.runs.find((candidate) => candidate.name === run.name)
      if (definition === undefined) {
        await output.write({
          type: 'notice',
          message: `The definition has no run ${run.name} any more: it is not repeated`,
        })
        continue
      }
      const view = runservice.findRun(run.id)!
      const runConfig = keepUnchanged(view, await expand(config, definition, { asked, source, output }))
      const kept = view.tasks
        .filter(({ task }) => runConfig.tasks.some((candidate) => candidate.id === task.id))
        .map(({ config: { name } }) => name)
      if (kept.length > 0) {
        const isSame = run.annotations.commit_sha === source.event.commitSha
        await output.write({
          type: 'notice',
          message: `Kept: ${kept.join(', ')}${isSame ? '' : ', which ran before the working tree changed'}`,
        })
      }
      requests.push({ ...newRunRequest(runConfig, asked, source), keepFrom: run.id })
    }
    return await followAll(context, { runservice, ...server }, await runservice.createRuns(requests))
  })
}

async function showLast(state: StateDirectory, output: RunEventSink): Promise<number> {
  const invocation = lockLast(state)
  using _lock = invocation.lock
  await using server = await openLocalServer(
    { state, invocation },
    { clock: systemClock, logger: silentLogger, notice: () => {} },
  )
  const runs = newestOfEachName(server.runservice.listRuns({ limit: 100, oldestFirst: true }))
  const views: RunView[] = []
  for (const run of runs) {
    views.push(
      await followRun(run.id, {
        runservice: server.runservice,
        sink: output,
        clock: systemClock,
        signal: new AbortController().signal,
        onView: () => {},
      }),
    )
  }
  return statusOf(views)
}

function lockLast(state: StateDirectory): Invocation {
  const [last] = listInvocations(state)
  if (last === undefined)
    throw new SlipwayError('run_not_found', 'there is no run in this repository yet: start one with `slipway run`')
  const invocation = lockInvocation(state, last)
  if (invocation === undefined)
    throw new SlipwayError('database_locked', 'the last run is still at work in another terminal: wait for its end')
  return invocation
}

type Source = { readonly frozen: FrozenTree; readonly event: GitEvent; readonly cloneUrl: string }

async function freezeSource(asked: AskedRun, repository: Repository, invocation: Invocation): Promise<Source> {
  const frozen = await freezeTree(repository, join(invocation.dir, 'tree'), new AbortController().signal)
  return {
    frozen,
    event: { ...asked.ref, commitSha: frozen.commitSha, message: 'slipway run' },
    cloneUrl: await originUrl(repository),
  }
}

async function readConfig(asked: AskedRun, { repository, output }: RunContext): Promise<Config> {
  const definition = readDefinition(repository, asked.file)
  for (const message of [...definition.notices, ...definition.warnings.map(formatDiagnostic)]) {
    await output.write({ type: 'notice', message })
  }
  return selectTasks(requireConfig(definition), asked.tasks)
}

async function withServer(
  { options, io, repository, state, output, clock }: RunContext,
  invocation: Invocation,
  { frozen, event, cloneUrl }: Source,
  work: (server: LocalServer) => Promise<number>,
): Promise<number> {
  await using server = await openLocalServer(
    {
      state,
      invocation,
      execution: {
        driver: options.driver,
        jobs: options.jobs,
        keepFailed: options.keepFailed ?? false,
        pull: options.pull,
        environment: io.environment,
        cloneSource: {
          url: frozen.path,
          ref: frozen.ref,
          commitSha: frozen.commitSha,
          branch: event.branch,
          originUrl: cloneUrl,
          mirrorKey: repository.id,
          submoduleUrls: frozen.submoduleUrls,
        },
      },
    },
    { clock, logger: silentLogger, notice: (message) => void output.write({ type: 'notice', message }) },
  )
  const status = await work(server)
  await server.idle()
  return status
}

/** Follows all runs to their end; the first interrupt stops them, the second leaves at once. */
async function followAll(
  { options, io, output, clock }: RunContext,
  server: LocalServer,
  runs: readonly Run[],
): Promise<number> {
  const { runservice } = server
  const approvals = new Approvals(
    options.approve ?? (io.stdin.isTTY && io.stdout.isTTY ? 'ask' : 'none'),
    runservice,
    output,
    io,
  )
  let interrupts = 0
  using _interrupt = io.onInterrupt(() => {
    interrupts++
    if (interrupts > 1) io.exit(exitStatus.stopped)
    void output.write({ type: 'notice', message: 'Stopping; interrupt again to leave at once' })
    for (const run of runs) void stopRun(runservice, run.id)
  })
  const stuck = new Set<string>()
  const views = await Promise.all(
    runs.map((run) =>
      followRun(run.id, {
        runservice,
        sink: output,
        clock,
        signal: new AbortController().signal,
        onView: (view) => {
          approvals.look(view)
          if (isStuck(view) && runservice.listExecutors().length > 0 && !stuck.has(run.id)) {
            stuck.add(run.id)
            void stopRun(runservice, run.id)
          }
        },
      }),
    ),
  )
  return stuck.size > 0 && interrupts === 0 ? exitStatus.runFailed : statusOf(views)
}

/** A task waits for an executor that nobody here is or will be. */
function isStuck({ run, tasks }: RunView): boolean {
  return (
    run.phase === 'running' &&
    !tasks.some(({ task }) => task.status === 'running') &&
    tasks.some(({ waiting }) => waiting?.kind === 'waiting_executor' && waiting.matching === 0)
  )
}

async function stopRun(runservice: Runservice, runId: string): Promise<void> {
  const phase = runservice.findRun(runId)?.run.phase
  try {
    if (phase === 'running') await runservice.stopRun(runId)
    if (phase === 'queued') await runservice.cancelRun(runId)
  } catch (error) {
    // It ended or started in between; its end is told by its events.
    if (!(error instanceof SlipwayError && error.kind === 'conflict')) throw error
  }
}

function statusOf(views: readonly RunView[]): number {
  if (views.some(({ run }) => run.result === 'failed' || run.phase === 'setuperror')) return exitStatus.runFailed
  if (views.some(({ run }) => run.result === 'stopped' || run.phase === 'cancelled')) return exitStatus.stopped
  return exitStatus.success
}

async function expand(
  config: Config,
  run: ConfigRun,
  {
    asked: { variables },
    source: { event },
    output,
  }: { readonly asked: AskedRun; readonly source: Source; readonly output: RunEventSink },
): Promise<RunConfig> {
  const { runConfig, undefinedVariables } = expandRun({ config, run, event, variables, newId: newUuid })
  if (undefinedVariables.length > 0) {
    const message = `Run ${run.name}: ${undefinedVariables.join(', ')} has no value and is empty; give it with --var`
    await output.write({ type: 'notice', message })
  }
  return runConfig
}

function newRunRequest({ name, tasks }: RunConfig, { secrets }: AskedRun, { event, cloneUrl }: Source): NewRunRequest {
  const owner = { type: 'user', id: 'local' } as const
  return {
    name,
    // Runs of one definition are independent here: each has a group of its own and none waits for another.
    group: `${runGroup(owner, event)}/run/${escapeSegment(name)}`,
    tasks,
    staticEnvironment: staticEnvironment({ event, cloneUrl, trust: 'trusted' }),
    annotations: runAnnotations({ owner, event, trigger: 'manual' }),
    secrets,
  }
}

function newestOfEachName(runs: readonly Run[]): readonly Run[] {
  return [...new Map(runs.map((run) => [run.name, run])).values()]
}
