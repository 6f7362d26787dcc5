import { userInfo } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { stateRoot } from './state-root.ts'

test.each([
  [{ XDG_STATE_HOME: '/state', HOME: '/home/ann' }, '/state/slipway'],
  [{ XDG_STATE_HOME: 'state', HOME: '/home/ann' }, '/home/ann/.local/state/slipway'],
  [{ HOME: '/home/ann' }, '/home/ann/.local/state/slipway'],
  [{ HOME: '' }, join(userInfo().homedir, '.local/state/slipway')],
  [{ HOME: 'ann' }, join(userInfo().homedir, '.local/state/slipway')],
  [{}, join(userInfo().homedir, '.local/state/slipway')],
])('with %j state is kept in %s', (environment, root) => {
  expect(stateRoot(environment)).toBe(root)
})
