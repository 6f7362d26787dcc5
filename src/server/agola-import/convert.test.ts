import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { importDatabase } from '../../datamanager/export/import-database.ts'
import { openDatabase } from '../../datamanager/open-database.ts'
import { collectBytes } from '../../lib/bytes.ts'
import { systemClock } from '../../lib/clock.ts'
import { newSealingKey, unseal } from '../../lib/sealing.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import { type RunserviceSchema, runserviceRowTypes } from '../../runservice/row-types.ts'
import {
  type ArbitraryRun,
  aRun,
  aRunConfig,
  arbitraryRun,
  newer,
  objectsOf,
  older,
  streamOf,
  times,
} from './agola-export-fixture.ts'
import { convertAgolaExport } from './convert.ts'
import type { AgolaImportReport } from './import-report.ts'

const key = newSealingKey()
const options = { service: 'runservice', storeId: 'store', key, now: 1 } as const

type Row = { readonly type: string; readonly id: string; readonly body: Record<string, never> }

async function converted(text: string): Promise<{ rows: Row[]; report: AgolaImportReport; bytes: Buffer }> {
  await using result = await convertAgolaExport(streamOf(text), options)
  const bytes = await collectBytes(result.stream)
  const lines = bytes.toString().trimEnd().split('\n').slice(1, -1)
  return { rows: lines.map((line) => JSON.parse(line) as Row), report: result.report, bytes }
}

const bodyOf = (rows: readonly Row[], type: string, id: string) =>
  rows.find((row) => row.type === type && row.id === id)?.body as unknown
const opened = (configId: string, name: string, rows: readonly Row[]) => {
  const secret = rows.find(
    ({ type, body }) => type === 'runsecret' && body.runConfigId === configId && body.name === name,
  )
  return unseal([key], { storeId: 'store', type: 'runconfig', id: configId, field: name }, secret!.body.sealed!)
}

const finishedRun = {
  id: 'r1',
  sequence: 7,
  name: 'build',
  runConfigId: 'config of r1',
  counter: 3,
  group: '/project/p1/branch/feat%2Fx',
  annotations: { branch: 'feat/x' },
  phase: 'finished',
  result: 'success',
  stop: false,
  setupErrors: [],
  enqueuedAt: Date.parse('2025-03-01T10:00:00.1Z'),
  startedAt: Date.parse('2025-03-01T10:00:00.5Z'),
  endedAt: Date.parse('2025-03-01T10:00:05Z'),
  logsDeleted: true,
}

test('a run of the newer format arrives with its tasks, config and counter, its values sealed', async () => {
  const text = [
    newer('ChangeGroup', { id: 'g', ...times, name: 'n', value: 'v' }),
    newer('RunConfig', aRunConfig('config of r1')),
    newer('Run', aRun('r1')),
    newer('RunCounter', { id: 'c', ...times, GroupID: 'p1', Value: 12 }),
    newer('RunEvent', { id: 'e', ...times, Sequence: 40, RunID: 'r1' }),
    newer('Executor', { id: 'x', ...times, executor_id: 'x1' }),
  ].join('')
  const { rows, report } = await converted(text)
  expect(bodyOf(rows, 'run', 'r1')).toEqual(finishedRun)
  expect(bodyOf(rows, 'runtask', 'r1/t1')).toEqual({
    ...{ id: 't1', runId: 'r1', status: 'success', waitingApproval: false, approved: true, timedOut: false },
    approvers: ['u1', 'u2'],
    setupStep: { phase: 'success', startedAt: Date.parse('2025-03-01T10:00:01Z') },
    steps: [
      {
        ...{ phase: 'success', exitStatus: 0 },
        startedAt: Date.parse('2025-03-01T10:00:02Z'),
        endedAt: Date.parse('2025-03-01T10:00:03Z'),
      },
    ],
    startedAt: Date.parse('2025-03-01T10:00:01Z'),
    endedAt: Date.parse('2025-03-01T10:00:04Z'),
  })
  expect(bodyOf(rows, 'runtask', 'r1/t2')).toMatchObject({ status: 'skipped', setupStep: { phase: 'notstarted' } })
  expect(bodyOf(rows, 'runconfig', 'config of r1')).toEqual({
    ...{ id: 'config of r1', name: 'build', group: finishedRun.group, setupErrors: [] },
    annotations: { branch: 'feat/x' },
    staticEnvironment: {
      ...{ CI: 'true', AGOLA_GIT_BRANCH: 'feat/x' },
      AGOLA_SSHPRIVKEY: { secret: 'static/AGOLA_SSHPRIVKEY' },
    },
    environment: { TOKEN: { secret: 'environment/TOKEN' } },
    ...{ cacheGroup: 'cg', trust: 'trusted' },
  })
  const task = bodyOf(rows, 'runconfigtask', 'config of r1/t1')
  expect(task).toMatchObject({
    index: 0,
    task: {
      ...{ name: 'compile', level: 0, depends: [], needsApproval: true, timeoutMs: 60_000, shell: '/bin/sh -e' },
      runtime: {
        arch: 'amd64',
        containers: [{ image: 'golang:1.22', volumes: [{ path: '/mnt', tmpfs: { sizeBytes: 1024 } }] }],
      },
      environment: { PASSWORD: { secret: 't1/environment/PASSWORD' } },
      steps: [
        { type: 'run', name: 'make', command: 'make', tty: true },
        { type: 'save_to_workspace', contents: [{ sourceDir: '.', destDir: '.', paths: ['**'] }] },
      ],
      registryAuth: {
        'r.example.org': { type: 'basic', username: 'ann', password: { secret: 't1/registry/r.example.org/password' } },
      },
    },
  })
  expect(bodyOf(rows, 'runconfigtask', 'config of r1/t2')).toMatchObject({
    task: { depends: [{ taskId: 't1', conditions: ['on_success'] }], skip: {}, level: 1 },
  })
  expect(opened('config of r1', 'environment/TOKEN', rows)).toBe('hunter2')
  expect(opened('config of r1', 't1/environment/PASSWORD', rows)).toBe('geheim')
  expect(JSON.stringify(rows)).not.toMatch(/hunter2|geheim|PRIVATE/)
  expect(bodyOf(rows, 'counter', 'p1')).toEqual({ value: 12 })
  expect(bodyOf(rows, 'sequence', 'run')).toEqual({ value: 7 })
  expect(bodyOf(rows, 'sequence', 'runevent')).toEqual({ value: 40 })
  expect(report.read).toEqual({ ChangeGroup: 1, Executor: 1, Run: 1, RunConfig: 1, RunCounter: 1, RunEvent: 1 })
  const dropped = report.dropped.map(({ what }) => what)
  for (const what of ['ChangeGroup', 'Executor', 'RunEvent', 'Run.archived', 'Run.tasks.*.workspace_archives'])
    expect(dropped).toContain(what)
})

test('a run of v0.7 arrives as well, in the order of the ids, without white space between the objects', async () => {
  const ids = ['0000001k3d5f0-0000000000001', '0000001k3d5f0-000000000000a']
  const v07 = (members: object) => {
    const {
      creationTime: _,
      updateTime: __,
      sequence: ___,
      run_config_id: ____,
      ...rest
    } = members as Record<string, never>
    return rest
  }
  const text = [
    ...ids.map((id) => older('run', id, v07(aRun(id)))),
    ...ids.map((id) => older('runconfig', id, v07(aRunConfig(id)))),
    older('runcounter', 'p1', 9),
  ].join('')
  const { rows, report } = await converted(text)
  expect(ids.map((id) => bodyOf(rows, 'run', id))).toEqual(
    ids.map((id, index) => ({ ...finishedRun, id, runConfigId: id, sequence: index + 1 })),
  )
  expect(bodyOf(rows, 'counter', 'p1')).toEqual({ value: 9 })
  expect(bodyOf(rows, 'sequence', 'run')).toEqual({ value: 2 })
  expect(report).toMatchObject({ format: 'v0.7', read: { Run: 2, RunConfig: 2, RunCounter: 1 } })
})

test('a run that had not ended arrives as ended, and the report says so', async () => {
  const active = (id: string, phase: string) => newer('Run', aRun(id, { phase, result: 'unknown', end_time: null }))
  const { rows, report } = await converted(active('r1', 'running') + active('r2', 'queued'))
  expect(bodyOf(rows, 'run', 'r1')).toMatchObject({ phase: 'finished', result: 'stopped', stop: true })
  expect(bodyOf(rows, 'run', 'r2')).toMatchObject({ phase: 'cancelled', result: 'unknown' })
  expect(report.dropped.filter(({ what }) => what === 'Run.phase')).toMatchObject([
    { why: 'it was running; here it is finished, stopped', examples: ['r1'] },
    { why: 'it was queued; here it is cancelled', examples: ['r2'] },
  ])
})

test('what refers to something that is not there, or is referred to by nothing, is in the report', async () => {
  const text = newer('Run', aRun('r1')) + newer('RunConfig', aRunConfig('of nobody')) + newer('Pod', { id: 'p' })
  const { rows, report } = await converted(text)
  expect(bodyOf(rows, 'runconfig', 'r1')).toMatchObject({ id: 'r1', staticEnvironment: {} })
  expect(report.dropped).toEqual(
    expect.arrayContaining([
      { what: 'Run.run_config_id', why: 'the run config is not in the export', count: 1, examples: ['r1'] },
      { what: 'RunConfig', why: 'no run has it', count: 1, examples: ['of nobody'] },
      { what: 'Pod', why: 'it is not known', count: 1, examples: ['p'] },
    ]),
  )
})

test('everything that has a place here arrives, everything else is in the report, in both formats', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-agola-test-'))
  let world = 0
  try {
    await using ost = await openPosixObjectStorage({ root: join(folder, 'ost') })
    await fc.assert(
      fc.asyncProperty(
        fc.array(arbitraryRun, { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        async (runs: readonly ArbitraryRun[], isOlder) => {
          const objects = runs.map((run, index) => ({
            given: run,
            id: `run${index}`,
            ...objectsOf(run, `run${index}`),
          }))
          const text = objects
            .map(({ id, run, config }) =>
              isOlder
                ? older('run', id, run) + older('runconfig', id, config)
                : newer('RunConfig', config) + newer('Run', { ...run, run_config_id: id }),
            )
            .join('')
          const place = { ost, base: `world${world++}` }
          let report: AgolaImportReport
          {
            await using result = await convertAgolaExport(streamOf(text, 333), options)
            report = result.report
            const common = { place, database: 'runservice', types: runserviceRowTypes, now: 2 }
            await importDatabase({ ...common, stream: result.stream })
          }
          const path = join(folder, 'db')
          {
            const storage = { place }
            await using db = await openDatabase<RunserviceSchema>({
              path,
              types: runserviceRowTypes,
              clock: systemClock,
              storage,
            })
            expect(db.view((tx) => tx.count('run'))).toBe(runs.length)
            for (const { given, id } of objects) {
              const run = db.view((tx) => tx.get('run', id))!
              expect(run).toMatchObject({ name: given.name, group: given.group, counter: given.counter })
              expect(run.annotations).toEqual(given.annotations)
              expect(run.enqueuedAt).toBe(Date.parse(given.enqueue_time))
              expect(run.startedAt).toBe(given.start_time && Date.parse(given.start_time))
              const isActive = given.phase === 'queued' || given.phase === 'running'
              if (!isActive) expect([run.phase, run.result]).toEqual([given.phase, given.result])
              given.tasks.forEach((task, index) => {
                const row = db.view((tx) => tx.get('runtask', `${id}/t${index}`))!
                if (!isActive) expect(row.status).toBe(task.status)
                expect(['notstarted', 'running']).not.toContain(isActive ? row.status : 'success')
                expect(row).toMatchObject({ approvers: task.approvers, timedOut: task.timedout })
                expect(row.steps).toHaveLength(task.steps.length)
                const config = db.view((tx) => tx.get('runconfigtask', `${id}/t${index}`))!
                const commands =
                  'task' in config ? config.task.steps.map((step) => 'command' in step && step.command) : []
                expect(commands).toEqual(task.commands)
              })
              const { environment } = db.view((tx) => tx.get('runconfig', id))!
              expect(Object.keys(environment).sort()).toEqual(Object.keys(given.environment).sort())
              for (const [name, value] of Object.entries(given.environment)) {
                const secret = db.view((tx) => tx.list('runsecret', { index: 'byConfig', prefix: [id] }))
                const row = secret.find(({ body }) => body.name === `environment/${name}`)
                const place = { storeId: 'store', type: 'runconfig', id, field: `environment/${name}` }
                expect(row ? unseal([key], place, row.body.sealed) : '').toBe(value)
              }
              const expected =
                given.unknown === 'Run.tasks.*.steps[]' && given.tasks.every(({ steps }) => steps.length === 0)
                  ? undefined
                  : given.unknown
              if (expected !== undefined)
                expect(report.dropped.map(({ what }) => what)).toContain(`${expected}.planted`)
            }
            expect(db.verify().problems).toEqual([])
          }
          for (const name of readdirSync(folder)) if (name.startsWith('db')) rmSync(join(folder, name))
        },
      ),
      { numRuns: 12 },
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})

const whole = newer('RunConfig', aRunConfig('config of r1')) + newer('Run', aRun('r1'))
test.each([
  ['that is empty', '', 'it is empty'],
  ['of something else', 'PK\u0003\u0004', 'something that is no object'],
  ['of Slipway', '{"kind":"slipway-export","format":1}\n', 'neither of Agola v0.7 nor of a newer version'],
  ['that is cut off in an object', whole.slice(0, -20), 'its last object does not end'],
  ['with an object twice', whole + whole, 'it has RunConfig config of r1 twice'],
  ['of both formats', whole + older('run', 'r2', {}), 'is of the format v0.7'],
  ['with damaged base64', '{"id":"a","data_type":"run","data":"e30*"}', 'is no base64'],
  ['with base64 of no JSON', '{"id":"a","data_type":"run","data":"AAAA"}', 'the data of object 1 is no JSON'],
  ['with a broken object', '{"a":}', 'object 1 is no JSON'],
])('a file %s is refused with the reason', async (_, text, message) => {
  await expect(convertAgolaExport(streamOf(text), options)).rejects.toMatchObject({
    code: 'import_invalid',
    message: expect.stringContaining(message),
  })
})

test('a file with any byte flipped is refused, or converted to something an import takes', async () => {
  // There is no checksum in it: what can be noticed is noticed, and nothing breaks.
  const bytes = Buffer.from(newer('Run', { id: 'r', group: '/project/p/branch/b', phase: 'finished', tasks: {} }))
  for (let at = 0; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes)
    flipped[at]! ^= 1 << (at % 7)
    try {
      await using result = await convertAgolaExport(streamOf(flipped), options)
      await collectBytes(result.stream)
    } catch (error) {
      expect(error, `byte ${at}`).toMatchObject({ code: 'import_invalid' })
    }
  }
})
