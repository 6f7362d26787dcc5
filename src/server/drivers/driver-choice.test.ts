import { expect, test } from 'vitest'
import { driversToTry } from './driver-choice.ts'

test.each([
  ['auto', 'linux', ['docker', 'host']],
  ['auto', 'darwin', ['docker']],
  ['docker', 'linux', ['docker']],
  ['docker', 'darwin', ['docker']],
  ['host', 'linux', ['host']],
  ['host', 'darwin', ['host']], // refuses by itself, and says why
] as const)('--driver %s on %s tries %j', (choice, platform, drivers) => {
  expect(driversToTry(choice, platform)).toEqual(drivers)
})
