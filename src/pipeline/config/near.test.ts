import { expect, test } from 'vitest'
import { findNear } from './near.ts'

const names = ['build', 'unit tests', 'a', 'deploy_all']

test.each([
  ['biuld', 'build'], // two letters exchanged
  ['buil', 'build'],
  ['builds', 'build'],
  ['bulld', 'build'],
  ['Build', 'build'],
  ['unit test', 'unit tests'],
  ['deploy-all', 'deploy_all'],
  ['deployAll', 'deploy_all'],
  ['bld', undefined],
  ['test', undefined],
  ['b', undefined], // any short name would be like any other
  ['', undefined],
])('%j could be %j', (written, meant) => {
  expect(findNear(written, names)).toBe(meant)
})
