import { expect, test } from 'vitest'
import { SlipwayError } from '../../lib/errors.ts'
import { troubleLogger } from './trouble-logger.ts'

test('trouble of the machine is told once, and nothing else', () => {
  const told: string[] = []
  const logger = troubleLogger((message) => void told.push(message))
  const error = new SlipwayError('disk_full', 'commit record 3: database or disk is full')
  logger.warn('status not sent', { error })
  logger.warn('log not stored', { error })
  logger.error('step failed', { error: new SlipwayError('image_pull', 'no such image') })
  logger.info('pod created', { podId: '1' })
  expect(told).toEqual([
    'Trouble: the disk is full (commit record 3: database or disk is full). Trying again until that changes; interrupt to stop',
  ])
})
