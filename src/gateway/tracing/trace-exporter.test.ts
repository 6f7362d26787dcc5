import { expect, test } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import { limits } from '../../lib/limits.ts'
import type { LogFields } from '../../lib/log.ts'
import type { RunChanges, RunView } from '../../runservice/api.ts'
import { aReport, aRequest, ended, FakeExecutor, openInstallation, until } from '../../runservice/service-fixture.ts'
import { encodeSpans } from './otlp.ts'
import { runSpans, type Span } from './run-spans.ts'
import { TraceExporter } from './trace-exporter.ts'

/** A run of a task that succeeds and one that fails, as it is when it has ended. */
async function anEndedRun(): Promise<RunView> {
  await using installation = await openInstallation()
  const { runservice, clock } = installation
  const [run] = await runservice.createRuns([
    aRequest(
      { good: {}, bad: {}, skipped: { after: { good: 'F' } } },
      {
        annotations: { ref: 'refs/heads/main', commit_sha: 'abc' },
      },
    ),
  ])
  await using _ = await new FakeExecutor(runservice, {}, async (order, { api }) => {
    const at = { startedAt: clock.now() + 10, endedAt: clock.now() + 30 }
    const phase = order.taskName === 'good' ? 'success' : 'failed'
    const setupStep = { phase: 'success', startedAt: at.startedAt, endedAt: at.startedAt + 5 } as const
    const failure = { exitStatus: 3, reason: { kind: 'failed_exit', step: 0, code: 3 } } as const
    const steps = [{ phase, ...at, ...(phase === 'failed' ? failure : {}) } as const]
    await api.report(aReport(order, 'running', { number: 1, startedAt: at.startedAt }))
    clock.pass(50)
    await api.report(aReport(order, phase, { number: 2, ...at, setupStep, steps }))
    return undefined
  }).connect()
  return await ended(runservice, run!.id)
}

test('a run is a trace: the run, its tasks that were executed, and their steps', async () => {
  const view = await anEndedRun()
  const spans = runSpans(view)
  const byName = new Map(spans.map((span) => [span.name, span]))
  expect(spans.map(({ name }) => name)).toEqual([
    'run build',
    ...['task good', 'step setup', 'step work'],
    ...['task bad', 'step setup', 'step work'],
  ])
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([view.run.id.replaceAll('-', '')]))
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length)
  const run = byName.get('run build')!
  expect(run).toMatchObject({ outcome: 'error', startedAt: view.run.enqueuedAt, endedAt: view.run.endedAt })
  expect(run.attributes).toMatchObject({
    'slipway.project.id': 'p1',
    'vcs.ref.head.name': 'refs/heads/main',
    'vcs.ref.head.revision': 'abc',
  })
  expect(byName.get('task good')).toMatchObject({ parentSpanId: run.spanId, outcome: 'ok' })
  const bad = byName.get('task bad')!
  expect(bad).toMatchObject({ parentSpanId: run.spanId, outcome: 'error' })
  const steps = spans.filter(({ parentSpanId }) => parentSpanId === bad.spanId)
  expect(steps).toHaveLength(2)
  expect(steps[1]).toMatchObject({
    outcome: 'error',
    message: 'exit status 3',
    attributes: { 'slipway.step.exit_status': 3 },
  })
})

test('told again it is the same trace; a run that has not ended is none', async () => {
  const view = await anEndedRun()
  expect(runSpans(view)).toEqual(runSpans(structuredClone(view)))
  const { endedAt: _, ...run } = view.run
  expect(runSpans({ ...view, run })).toEqual([])
})

test('what a restart kept is in the trace of the earlier run', async () => {
  const view = await anEndedRun()
  const later = { ...view, run: { ...view.run, enqueuedAt: view.run.endedAt! + 1, endedAt: view.run.endedAt! + 5 } }
  expect(runSpans(later).map(({ name }) => name)).toEqual(['run build'])
})

test('spans are encoded as the protocol has them', () => {
  const span: Span = {
    traceId: 'a'.repeat(32),
    spanId: 'b'.repeat(16),
    parentSpanId: 'c'.repeat(16),
    name: 'task x',
    startedAt: 1_760_000_000_000,
    endedAt: 1_760_000_000_250,
    attributes: { text: 'x', number: 3 },
    outcome: 'error',
    message: 'exit status 1',
  }
  expect(encodeSpans([span], { version: '1.2.3' })).toEqual({
    resourceSpans: [
      {
        resource: {
          attributes: [
            { key: 'service.name', value: { stringValue: 'slipway' } },
            { key: 'service.version', value: { stringValue: '1.2.3' } },
          ],
        },
        scopeSpans: [
          {
            scope: { name: 'slipway', version: '1.2.3' },
            spans: [
              {
                traceId: span.traceId,
                spanId: span.spanId,
                parentSpanId: span.parentSpanId,
                name: 'task x',
                kind: 1,
                startTimeUnixNano: '1760000000000000000',
                endTimeUnixNano: '1760000000250000000',
                attributes: [
                  { key: 'text', value: { stringValue: 'x' } },
                  { key: 'number', value: { intValue: '3' } },
                ],
                status: { code: 2, message: 'exit status 1' },
              },
            ],
          },
        ],
      },
    ],
  })
})

/** An exporter of a runservice where these runs end at once, and a collector that answers with these statuses, then 200. */
async function exported(view: RunView, ids: readonly string[], statuses: readonly (number | Error)[]) {
  const rest = [...statuses]
  const sent: { url: string; body: string }[] = []
  const warned: { message: string; fields: LogFields | undefined }[] = []
  const stop = new AbortController()
  const aborted = new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve()))
  const warn = (message: string, fields?: LogFields) => void warned.push({ message, fields })
  let loaded = 0
  const exporter = new TraceExporter(
    { endpoint: 'http://collector:4318/', version: '1.2.3' },
    {
      clock: { ...systemClock, sleep: async () => {} },
      logger: { debug: () => {}, info: () => {}, warn, error: warn },
      runservice: {
        watchChanges: async function* (): AsyncGenerator<RunChanges> {
          yield { position: 1, runs: ids.map((id) => ({ ...view.run, id })), tasks: [] }
          await aborted
        },
        loadRun: async () => {
          loaded += 1
          return view
        },
      },
      fetch: async (url, init) => {
        sent.push({ url: String(url), body: String(init?.body) })
        const next = rest.shift() ?? 200
        if (next instanceof Error) throw next
        return new Response(null, { status: next })
      },
    },
  )
  const running = exporter.run(stop.signal)
  const finish = async () => {
    stop.abort()
    await running
  }
  return { sent, warned, finish, loaded: () => loaded }
}

test('a collector that is away for a moment gets the trace all the same', async () => {
  const view = await anEndedRun()
  const { sent, warned, finish } = await exported(view, [view.run.id], [new Error('refused'), 503, 429])
  await until(() => sent.length === 4)
  await finish()
  expect(new Set(sent.map(({ body }) => body)).size).toBe(1)
  expect(sent[0]!.url).toBe('http://collector:4318/v1/traces')
  expect(warned).toEqual([])
})

test('a trace that the collector refuses, or does not take after some attempts, is dropped and said so', async () => {
  const view = await anEndedRun()
  const away = Array.from({ length: limits.traceAttempts.value }, () => 503)
  const { sent, warned, finish } = await exported(view, ['refused', 'away', 'taken'], [400, ...away])
  await until(() => sent.length === limits.traceAttempts.value + 2)
  await finish()
  expect(warned.map(({ fields }) => fields?.runId)).toEqual(['refused', 'away'])
})

test('so many traces wait for the collector, further ones are dropped', async () => {
  const view = await anEndedRun()
  const ids = Array.from({ length: limits.tracesWaiting.value + 2 }, (_, n) => `r${n}`)
  const { warned, finish, loaded } = await exported(view, ids, [])
  await until(() => loaded() === limits.tracesWaiting.value)
  await finish()
  expect(warned.map(({ fields }) => fields?.runId)).toEqual(ids.slice(-2))
})

test('a collector that never answers is asked again', async () => {
  const view = await anEndedRun()
  const { sent, finish } = await exported(
    view,
    [view.run.id],
    [Object.assign(new Error('timed out'), { name: 'TimeoutError' })],
  )
  await until(() => sent.length === 2)
  await finish()
})
