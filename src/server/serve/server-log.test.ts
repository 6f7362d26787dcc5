import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { SlipwayError } from '../../lib/errors.ts'
import { withRequestId } from '../../lib/request-id.ts'
import { createServerLog, type ServerLogSettings } from './server-log.ts'

function logTo(settings: ServerLogSettings) {
  const lines: string[] = []
  const output = new Writable({
    write: (chunk, _, done) => {
      lines.push(String(chunk))
      done()
    },
  })
  return { log: createServerLog(settings, output), lines }
}

test('a line of JSON has level, time, message and fields, and of an error all that is known', () => {
  const { log, lines } = logTo({ level: 'info', format: 'json' })
  const error = new SlipwayError('disk_full', 'write a frame', { cause: new Error('ENOSPC') })
  log.error('request failed', { requestId: 'r1', error })
  const line = JSON.parse(lines[0]!) as { time: string; error: { stack: string } }
  expect(line).toMatchObject({
    level: 'error',
    message: 'request failed',
    requestId: 'r1',
    error: { code: 'disk_full', message: 'write a frame', cause: { message: 'ENOSPC' } },
  })
  expect(line.time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  expect(line.error.stack).toContain('server-log.test.ts')
})

test('what is written for a request has its id', () => {
  const { log, lines } = logTo({ level: 'info', format: 'json' })
  withRequestId('r2', () => log.info('pushed', { ref: 'main' }))
  log.info('cleaned')
  expect(JSON.parse(lines[0]!)).toMatchObject({ message: 'pushed', requestId: 'r2', ref: 'main' })
  expect(lines[1]).not.toContain('requestId')
})

test('what is less important than the level is not written', () => {
  const { log, lines } = logTo({ level: 'warn', format: 'json' })
  log.debug('a')
  log.info('b')
  log.warn('c')
  expect(lines.map((line) => (JSON.parse(line) as { message: string }).message)).toEqual(['c'])
})

test('text is one line for people; only an error brings its stack', () => {
  const { log, lines } = logTo({ level: 'debug', format: 'text' })
  log.info('listening', { url: 'http://localhost:8080', components: ['gateway'] })
  log.warn('shipping is behind', { error: new SlipwayError('disk_full', 'write') })
  log.error('request failed', { error: new Error('why') })
  expect(lines[0]).toMatch(
    /^\d\d:\d\d:\d\d info {2}listening {2}url=http:\/\/localhost:8080 {2}components=\["gateway"\]\n$/,
  )
  expect(lines[1]).toMatch(/ warn {2}shipping is behind {2}error=disk_full: write\n$/)
  expect(lines[2]).toContain('error=why\nError: why\n    at ')
})

test('a value cannot command a terminal', () => {
  const { log, lines } = logTo({ level: 'info', format: 'text' })
  log.info('pushed', { branch: '\u001b[2Jgone\r' })
  expect(lines[0]).toContain('branch=?[2Jgone?')
})
