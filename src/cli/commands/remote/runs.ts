// `slipway runs`: the runs of a server.

import { readFileSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { BodyOf, ResponseOf } from '../../../contract/route.ts'
import type { ApiRoutes } from '../../../contract/routes.ts'
import { errorMessage, SlipwayError } from '../../../lib/errors.ts'
import { findRun, findTask, type Run, runHelp } from '../../remote/find-run.ts'
import { type Column, printItem, printList } from '../../remote/print.ts'
import { type AddRemote, allPages } from '../../remote/remote-command.ts'
import { type LogOptions, printLog } from '../../remote/run-logs.ts'
import { watchRun } from '../../remote/watch-run.ts'

type RunSummary = ResponseOf<ApiRoutes['listProjectRuns']>['items'][number]
type Phase = RunSummary['phase']
type Result = RunSummary['result']

const where = (run: RunSummary) => decodeURIComponent(run.group.split('/').slice(3).join(' '))

const columns: readonly Column<RunSummary>[] = [
  ['run', ({ number }) => `#${number}`],
  ['name', ({ name }) => name],
  ['for', where],
  ['state', ({ phase, result }) => (phase === 'finished' ? result : phase)],
  ['why', ({ reason }) => reason?.message],
  ['message', ({ annotations }) => annotations?.message?.split('\n')[0]?.slice(0, 60)],
  ['created', ({ enqueuedAt }) => enqueuedAt],
  ['id', ({ id }) => id],
]
const taskColumns: readonly Column<Run['tasks'][number]>[] = [
  ['task', ({ name }) => name],
  ['state', ({ status, isWaitingApproval }) => (isWaitingApproval ? 'waits for approval' : status)],
  ['why', ({ reason }) => reason?.message],
  ['started', ({ startedAt }) => startedAt],
  ['ended', ({ endedAt }) => endedAt],
  ['id', ({ id }) => id],
]

type ListOptions = {
  readonly user?: string
  readonly branch?: string
  readonly tag?: string
  readonly pr?: string
  readonly phase?: Phase[]
  readonly result?: Result[]
  readonly limit: string
}

export function addRunsCommands(program: Command, add: AddRemote): void {
  const runs = program.command('runs').summary('runs of the server').addHelpText('after', `\n${runHelp}`)
  add(
    runs
      .command('list [project]')
      .summary('runs of a project or a user, the newest first')
      .option('--user <user>', 'those of this user')
      .option('--branch <name>', 'of this branch')
      .option('--tag <name>', 'of this tag')
      .option('--pr <number>', 'of this pull request')
      .addOption(
        new Option('--phase <phase...>', 'in these phases').choices([
          'setuperror',
          'queued',
          'cancelled',
          'running',
          'finished',
        ]),
      )
      .addOption(new Option('--result <result...>', 'with these results').choices(['success', 'failed', 'stopped']))
      .option('-n, --limit <number>', 'at most so many', '25'),
    async ({ client, io, format }, options: ListOptions, projectRef: string | undefined) => {
      const filter = {
        ...(options.branch === undefined ? {} : { branch: options.branch }),
        ...(options.tag === undefined ? {} : { tag: options.tag }),
        ...(options.pr === undefined ? {} : { pullRequest: options.pr }),
        ...(options.phase === undefined ? {} : { phase: options.phase }),
        ...(options.result === undefined ? {} : { result: options.result }),
      }
      if ((projectRef === undefined) === (options.user === undefined))
        throw new SlipwayError('usage', 'runs of which project? give one, or --user')
      const items = await allPages(
        (page) =>
          options.user === undefined
            ? client.call('listProjectRuns', { params: { projectRef: projectRef! }, query: { ...filter, ...page } })
            : client.call('listUserRuns', { params: { userRef: options.user }, query: { ...filter, ...page } }),
        Number(options.limit),
      )
      printList(items, columns, format, io)
    },
  )
  add(
    runs.command('show <run>').summary('a run with its tasks'),
    async ({ client, io, format }, _options, text: string) => {
      const run = await findRun(client, text)
      if (format === 'json') {
        printItem(run, [], format, io)
        return undefined
      }
      printItem<RunSummary>(run, columns, format, io)
      for (const error of run.setupErrors) io.stdout.write(`\n${error}\n`)
      if (run.tasks.length > 0) io.stdout.write('\n')
      if (run.tasks.length > 0) printList(run.tasks, taskColumns, format, io)
      return undefined
    },
  )
  add(
    runs
      .command('create <project>')
      .summary('run what a push of a branch or tag, or a pull request, would')
      .option('--commit <sha>', 'at this commit (default: that of the branch or tag)')
      .option('-f, --file <definition>', 'this definition, a YAML or JSON file (default: that of the commit)')
      .option('--branch <name>', 'for this branch (default: the default branch)')
      .option('--tag <name>', 'for this tag')
      .option('--pr <number>', 'for this pull request')
      .option('--ref <ref>', 'for this ref')
      .option('--message <text>', 'what it is about (default: the message of the commit)')
      .option('--watch', 'wait for the end of the first run; the exit status says how'),
    createRuns,
  )
  add(
    runs.command('watch <run>').summary('tell what happens until it has ended; exit status 1 when it failed'),
    async (remote, _options, text: string) => {
      return await watchRun(remote, (await findRun(remote.client, text)).id)
    },
  )
  add(
    runs
      .command('restart <run>')
      .summary('again: what did not succeed, or all of it')
      .option('--from-start', 'all of it')
      .option('--watch', 'wait for its end'),
    async (remote, options: { fromStart?: boolean; watch?: boolean }, text: string) => {
      const { client, io, format } = remote
      const { id: runId } = await findRun(client, text)
      const created = await client.call('restartRun', {
        params: { runId },
        body: { fromStart: options.fromStart ?? false },
      })
      printItem(created, columns, format, io)
      return options.watch ? await watchRun(remote, created.id) : undefined
    },
  )
  add(
    runs.command('stop <run>').summary('stop a running run'),
    async ({ client, io, format }, _options, text: string) => {
      const { id: runId } = await findRun(client, text)
      printItem(await client.call('stopRun', { params: { runId } }), columns, format, io)
      return undefined
    },
  )
  add(
    runs.command('cancel <run>').summary('cancel a queued run'),
    async ({ client, io, format }, _options, text: string) => {
      const { id: runId } = await findRun(client, text)
      printItem(await client.call('cancelRun', { params: { runId } }), columns, format, io)
      return undefined
    },
  )
  add(
    runs.command('approve <run> <task>').summary('let a task begin that waits for approval'),
    async ({ client, io, format }, _options, text: string, taskText: string) => {
      const run = await findRun(client, text)
      const params = { runId: run.id, taskId: findTask(run, taskText).id }
      printItem(
        await client.call('approveTask', { params }),
        taskColumns as readonly Column<Run['tasks'][number]>[],
        format,
        io,
      )
      return undefined
    },
  )
  addLogCommands(runs, add)
}

function addLogCommands(runs: Command, add: AddRemote): void {
  const withLog = (command: Command) =>
    command
      .option('-t, --task <task>', 'of this task, by name or id (default: the one that failed)')
      .addOption(
        new Option('--step <number>', 'of this step, from 0 (default: the one that failed)').conflicts('setup'),
      )
      .option('--setup', 'of making the pod')
  add(
    withLog(runs.command('logs <run>').summary('a log; without options that of what failed')).option(
      '--follow, -f',
      'go on until it is complete',
    ),
    async (remote, options: LogOptions, text: string) => await printLog(remote, options, text),
  )
  add(
    withLog(runs.command('delete-log <run>').summary('remove a complete log')),
    async ({ client }, options: LogOptions, text: string) => {
      if (options.task === undefined || (options.step === undefined && !options.setup))
        throw new SlipwayError('usage', 'which log? give --task, and --step or --setup')
      const run = await findRun(client, text)
      const log = options.setup ? 'setup' : options.step!
      await client.call('deleteLog', { params: { runId: run.id, taskId: findTask(run, options.task).id, log } })
      return undefined
    },
  )
}

type CreateOptions = {
  readonly commit?: string
  readonly file?: string
  readonly branch?: string
  readonly tag?: string
  readonly pr?: string
  readonly ref?: string
  readonly message?: string
  readonly watch?: boolean
}

async function createRuns(
  remote: Parameters<Parameters<AddRemote>[1]>[0],
  { commit, file, branch, tag, pr, ref, message, watch }: CreateOptions,
  projectRef: string,
): Promise<number | undefined> {
  const { client, io, format } = remote
  const { runs, notCreated } = await client.call('createProjectRuns', {
    params: { projectRef },
    body: {
      ...(commit === undefined ? {} : { commitSha: commit }),
      ...(file === undefined ? {} : { definition: readDefinition(resolve(io.cwd, file)) }),
      ...(branch === undefined ? {} : { branch }),
      ...(tag === undefined ? {} : { tag }),
      ...(pr === undefined ? {} : { pullRequest: pr }),
      ...(ref === undefined ? {} : { ref }),
      ...(message === undefined ? {} : { message }),
    },
  })
  printList(runs, columns, format, io)
  for (const { name, message: why } of notCreated) io.stderr.write(`not created: ${name}: ${why}\n`)
  const first = runs[0]
  return watch && first !== undefined ? await watchRun(remote, first.id) : undefined
}

function readDefinition(path: string): NonNullable<BodyOf<ApiRoutes['createProjectRuns']>['definition']> {
  try {
    return { fileName: path.endsWith('.json') ? 'config.json' : 'config.yml', content: readFileSync(path, 'utf8') }
  } catch (cause) {
    throw new SlipwayError('usage', `read ${basename(path)}: ${errorMessage(cause)}`, { cause })
  }
}
