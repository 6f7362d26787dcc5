// A version after this one: the sources of today with what a later version changes, as a program of its own. Until there are
// releases to work beside, it is what versions are proven with: `node test/upgrades/next-version.ts DIRECTORY` leaves it there.

import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const repository = resolve(import.meta.dirname, '../..')

/** One of the lines of a file, and what stands in its place. */
type Change = { readonly file: string; readonly line: string; readonly becomes: string }

/** A member that this version has never heard of; what it does not know it has to keep, or to ignore. */
const unheard = 'sinceNext: { kept: true }'

const changes: readonly Change[] = [
  // Services understand both protocols, and offer more than before.
  {
    file: 'src/http/rpc/rpc.ts',
    line: 'export const rpcProtocol: RpcProtocol = { speaks: 1, oldest: 1 }',
    becomes: 'export const rpcProtocol: RpcProtocol = { speaks: 2, oldest: 1 }',
  },
  {
    file: 'src/runservice/remote.ts',
    line: "  createRuns: 'call',",
    becomes: "  createRuns: 'call', checkRuns: 'call',",
  },
  {
    file: 'src/runservice/service.ts',
    line: '  async createRuns(requests: readonly NewRunRequest[], options: RepeatableOptions = {}): Promise<readonly Run[]> {',
    becomes: `  async checkRuns(runs: number) { return { runs, ${unheard} } }
  async createRuns(requests: readonly NewRunRequest[], options: RepeatableOptions = {}): Promise<readonly Run[]> {`,
  },
  {
    file: 'src/gateway/handlers/runs.ts',
    line: '      const created = await runservice.createRuns(requests, repeatable(context))',
    becomes: `      await runservice.checkRuns(requests.length)
      const created = await runservice.createRuns(requests.map((one) => ({ ...one, ${unheard} })), repeatable(context))`,
  },
  // Formats: of the log, of the file beside it, and of a thing of which the old version has none.
  {
    file: 'src/datamanager/record.ts',
    line: 'export const recordFormat = 1',
    becomes: 'export const recordFormat = 2',
  },
  {
    file: 'src/datamanager/read-model/sqlite.ts',
    line: 'export const fileFormat = 3',
    becomes: 'export const fileFormat = 4',
  },
  {
    file: 'src/datamanager/read-model/sqlite.ts',
    line: "      const format = pragma(db, 'user_version')",
    becomes: `      if (pragma(db, 'user_version') === 3) db.exec('BEGIN IMMEDIATE; CREATE TABLE since_next (one INTEGER); PRAGMA user_version = 4; COMMIT')
      const format = pragma(db, 'user_version')`,
  },
  { file: 'src/datamanager/formats.ts', line: '  record: recordFormat,', becomes: '  record: recordFormat, trace: 1,' },
  // Rows: one more type, and more in those there are.
  { file: 'src/runservice/row-types.ts', line: '  executor: {},', becomes: '  executor: {}, runnote: {},' },
  {
    file: 'src/runservice/stimulus.ts',
    line: '  const { run, config, configTasks, tasks, events } = created',
    becomes: `  const { config, configTasks, events } = created
  const run = { ...created.run, ${unheard} }
  const tasks = created.tasks.map((task) => ({ ...task, ${unheard} }))`,
  },
  {
    file: 'src/runservice/stimulus.ts',
    line: '  for (const task of tasks) putTask(tx, task)',
    becomes: `  for (const task of tasks) putTask(tx, task)
  tx.put('runnote', run.id, { tasks: tasks.length })`,
  },
  // What is said to executors, and by them.
  {
    file: 'src/runservice/executors/executor-service.ts',
    line: "        yield { kind: 'execute', order: made }",
    becomes: `        yield { kind: 'hint', executorTaskId: order.id }
        yield { kind: 'execute', order: { ...made, ${unheard} } }`,
  },
  {
    file: 'src/executor/executor.ts',
    line: '      archs: [...new Set(this.#components.drivers.flatMap((driver) => driver.facts.archs))],',
    becomes: `      ${unheard},
      archs: [...new Set(this.#components.drivers.flatMap((driver) => driver.facts.archs))],`,
  },
  {
    file: 'src/executor/remote/remote-api.ts',
    line: "    return ((await this.#call('POST', path, { json: report, signal })) as { answer: ReportAnswer }).answer",
    becomes: `    return (await this.#call('POST', path, { json: { ...report, ${unheard} }, signal })).answer`,
  },
  // What instances say to each other.
  { file: 'src/runservice/executors/presence.ts', line: '      format: 1,', becomes: `      format: 1, ${unheard},` },
  {
    file: 'src/runservice/logs/log-store.ts',
    line: '      const data = Buffer.from(JSON.stringify({ format: 1, ...trailer }))',
    becomes: `      const data = Buffer.from(JSON.stringify({ format: 1, ${unheard}, ...trailer }))`,
  },
]

/** Instances are forgotten as soon as they are gone, not after an hour, so that a test sees what comes then. */
const forgetful: Change = {
  file: 'src/lib/limits.ts',
  line: '  instanceRememberedMs: limit(\n    1 * hours,',
  becomes: '  instanceRememberedMs: limit(\n    1 * seconds,',
}

/** A version that can be started. */
export type Program = { readonly version: string; readonly file: string }

/** The version of the sources as they are, copied so that nobody changes them meanwhile. */
export function copyThisVersion(directory: string): Program {
  mkdirSync(directory, { recursive: true })
  for (const name of ['src', 'bin', 'package.json'])
    cpSync(join(repository, name), join(directory, name), { recursive: true })
  for (const name of ['node_modules', 'helper', 'web']) symlinkSync(join(repository, name), join(directory, name))
  return { version: packageOf(directory).version, file: join(directory, 'bin/slipway') }
}

/** The next one. `isForgetful`: a newer format is written a second after the last instance that does not read it was seen. */
export function makeNextVersion(directory: string, { isForgetful = false } = {}): Program {
  copyThisVersion(directory)
  for (const change of isForgetful ? [...changes, forgetful] : changes) apply(change, directory)
  const description = packageOf(directory)
  const [major, minor] = description.version.split('.').map(Number)
  const version = `${major}.${(minor ?? 0) + 1}.0`
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ ...description, version }))
  return { version, file: join(directory, 'bin/slipway') }
}

function packageOf(directory: string): { readonly version: string } {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
}

function apply({ file, line, becomes }: Change, directory: string): void {
  const path = join(directory, file)
  const text = readFileSync(path, 'utf8')
  const parts = `\n${text}`.split(`\n${line}\n`)
  if (parts.length !== 2)
    throw new Error(
      `${file} has ${parts.length - 1} times the line that a later version changes; name another in test/upgrades/next-version.ts: ${line}`,
    )
  writeFileSync(path, parts.join(`\n${becomes}\n`).slice(1))
}

if (process.argv[1] === import.meta.filename) {
  const [directory] = process.argv.slice(2)
  if (directory === undefined) throw new Error('usage: node test/upgrades/next-version.ts DIRECTORY')
  const { version, file } = makeNextVersion(resolve(directory))
  process.stdout.write(`${version}: ${file}\n`)
}
