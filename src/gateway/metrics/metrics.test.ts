import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import { aRequest, FakeExecutor, until } from '../../runservice/service-fixture.ts'
import { adminToken, openTestGateway, type TestGateway } from '../gateway-fixture.ts'
import { createFigures } from './figures.ts'
import { ServiceMetrics } from './service-metrics.ts'

const metricsOf = async ({ url }: TestGateway): Promise<string> => await (await fetch(`${url}/metrics`)).text()

/** The value of the series that begins so. */
function valueOfSeries(metrics: string, series: string): number | undefined {
  const line = metrics.split('\n').find((one) => one.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1))
}

test('what ended is counted once, with how long it took; what waits and works is told as it is', async () => {
  await using gateway = await openTestGateway()
  const { runservice } = gateway.installation
  await until(async () => (await metricsOf(gateway)).includes('slipway_queue_length'))
  const [waiting] = await runservice.createRuns([aRequest({ a: {} })])
  expect(valueOfSeries(await metricsOf(gateway), 'slipway_queue_length')).toBe(1)
  await using executor = await new FakeExecutor(runservice).connect()
  await until(async () => (await runservice.loadRun(waiting!.id))?.run.phase === 'finished')
  await until(async () => (await metricsOf(gateway)).includes('slipway_tasks_ended_total{status="success"} 1'))
  const metrics = await metricsOf(gateway)
  expect(executor.failures).toEqual([])
  for (const [series, value] of [
    ['slipway_queue_length', 0],
    ['slipway_runs_ended_total{result="success"}', 1],
    ['slipway_run_duration_seconds_count{result="success"}', 1],
    ['slipway_run_queue_seconds_count', 1],
    ['slipway_task_duration_seconds_count{status="success"}', 1],
    ['slipway_executors{state="connected"}', 1],
    ['slipway_executor_slots_used', 0],
  ] as const)
    expect([series, valueOfSeries(metrics, series)]).toEqual([series, value])
})

test('requests are counted by operation and status, not by address', async () => {
  await using gateway = await openTestGateway()
  await gateway.ask('GET /users/nobody', { token: adminToken })
  await gateway.ask('GET /users/noone', { token: adminToken })
  await until(async () => (await metricsOf(gateway)).includes('operation="getUser"'))
  const series = 'slipway_request_duration_seconds_count{operation="getUser",status="404"}'
  expect(valueOfSeries(await metricsOf(gateway), series)).toBe(2)
})

test('what the services of the process count, and what waits, is told by its labels', async () => {
  const figures = createFigures()
  await using gateway = await openTestGateway({ figures })
  expect(valueOfSeries(await metricsOf(gateway), 'slipway_work_waiting{kind="delivery"}')).toBe(0)
  for (const outcome of ['sent', 'sent', 'waiting']) figures.notificationAttempts.count({ kind: 'webhook', outcome })
  figures.pushes.count({ outcome: 'accepted' })
  figures.deliveries.count({ outcome: 'created' })
  figures.providerRequests.count({ outcome: 'provider_refused', provider: 'GitHub' })
  figures.repositories.measured = { count: 2, bytes: 5000 }
  figures.waiting.set('notification', () => ({ count: 3, oldestAt: 0 }))
  figures.waiting.set('broken', () => {
    throw new Error('its database cannot be read')
  })
  await metricsOf(gateway)
  const metrics = await metricsOf(gateway)
  for (const [series, value] of [
    ['slipway_notification_attempts_total{kind="webhook",outcome="sent"}', 2],
    ['slipway_notification_attempts_total{kind="webhook",outcome="waiting"}', 1],
    ['slipway_pushes_total{outcome="accepted"}', 1],
    ['slipway_deliveries_total{outcome="created"}', 1],
    ['slipway_repositories{of="direct_runs"}', 2],
    ['slipway_repository_bytes{of="direct_runs"}', 5000],
    ['slipway_work_waiting{kind="notification"}', 3],
    ['slipway_work_waiting{kind="broken"}', undefined],
    ['slipway_work_waiting_seconds{kind="delivery"}', 0],
  ] as const)
    expect([series, valueOfSeries(metrics, series)]).toEqual([series, value])
  expect(metrics).toMatch(/^slipway_provider_requests_total\{.*provider="GitHub".*\} 1$/m)
  expect(valueOfSeries(metrics, 'slipway_work_waiting_seconds{kind="notification"}')).toBeGreaterThan(0)
})

test('a process without a gateway tells what its services count, and where its databases stand', async () => {
  const figures = createFigures()
  figures.pushes.count({ outcome: 'accepted' })
  const metrics = new ServiceMetrics({
    figures,
    version: '1.2.3',
    clock: systemClock,
    positions: async () => ({ notification: 7 }),
  })
  const text = await metrics.text()
  for (const [series, value] of [
    ['slipway_build_info{version="1.2.3"}', 1],
    ['slipway_database_position{database="notification"}', 7],
    ['slipway_pushes_total{outcome="accepted"}', 1],
    ['slipway_repositories{of="direct_runs"}', undefined],
  ] as const)
    expect([series, valueOfSeries(text, series)]).toEqual([series, value])
})

test('every metric is on its page, and every metric of the page is there', async () => {
  await using gateway = await openTestGateway()
  const page = readFileSync(new URL('../../../docs/metrics.md', import.meta.url), 'utf8')
  const described = [...page.matchAll(/^\| `(slipway_\w+)` \| (\w+)/gm)].map(([, name, type]) => `${name} ${type}`)
  const told = [...(await metricsOf(gateway)).matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  )
  expect(described.toSorted()).toEqual(told.toSorted())
})
