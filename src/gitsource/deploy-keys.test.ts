// Which key of a repository stays, and which go.

import { expect, test } from 'vitest'
import { planDeployKey } from './deploy-keys.ts'

const wanted = { title: 'ours', publicKey: 'ssh-ed25519 AAAA slipway' }
const key = (id: string, title: string, text: string, isReadOnly = true) => ({
  id,
  title,
  publicKey: `ssh-ed25519 ${text}`,
  isReadOnly,
})

test.each([
  ['none is there', [], undefined, []],
  ['the right one is there, with a comment of the provider', [key('1', 'ours', 'AAAA x')], '1', []],
  ['somebody gave it another title', [key('1', 'theirs', 'AAAA')], undefined, ['1']],
  ['it may write', [key('1', 'ours', 'AAAA', false)], undefined, ['1']],
  ['another one has our title', [key('1', 'ours', 'BBBB'), key('2', 'theirs', 'CCCC')], undefined, ['1']],
  ['it is there twice', [key('1', 'ours', 'AAAA'), key('2', 'ours', 'AAAA')], '1', ['2']],
] as const)('%s', (_, known, right, wrong) => {
  expect(planDeployKey(known, wanted)).toEqual({ right, wrong })
})

test('where a key is taken once, the right one may have any title', () => {
  const known = [key('1', 'theirs', 'AAAA'), key('2', 'ours', 'BBBB')]
  expect(planDeployKey(known, wanted, { mayHaveAnyTitle: true })).toEqual({ right: '1', wrong: ['2'] })
})
