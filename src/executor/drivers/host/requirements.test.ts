import { expect, test } from 'vitest'
import type { PodContainer, PodSpec } from '../../driver.ts'
import { checkPodId, ignoredSettings, needsDocker } from './requirements.ts'

const container: PodContainer = {
  image: 'alpine',
  environment: {},
  user: '',
  privileged: false,
  entrypoint: [],
  volumes: [],
}

function aSpec(changes: Partial<PodSpec> = {}): PodSpec {
  return { id: 'a', containers: [container], user: '', registryAuth: {}, pull: 'if_missing', ...changes }
}

test.each<[string, PodSpec, string | undefined]>([
  ['one container', aSpec(), undefined],
  ['its own architecture', aSpec({ arch: 'amd64' }), undefined],
  ['a service', aSpec({ containers: [container, container] }), 'needs docker: the task has 1 service container'],
  [
    'two services',
    aSpec({ containers: [container, container, container] }),
    'needs docker: the task has 2 service containers',
  ],
  [
    'a privileged container',
    aSpec({ containers: [{ ...container, privileged: true }] }),
    'needs docker: the task wants a privileged container',
  ],
  [
    'another architecture',
    aSpec({ arch: 'arm64' }),
    'needs docker: the task wants the architecture arm64, this machine is amd64',
  ],
])('a task with %s', (_, spec, reason) => {
  expect(needsDocker(spec, 'amd64')).toBe(reason)
})

test('what has no meaning here is said in the setup log', () => {
  expect(ignoredSettings(aSpec({ user: 'root' }))).toEqual([
    'host driver: the image alpine is not used, the task runs on this machine',
    'host driver: the user root is not used, each task has a user of its own',
  ])
  expect(ignoredSettings(aSpec({ containers: [{ ...container, image: '' }] }))).toEqual([])
})

test.each(['', '.', '..', 'a/b', '../a', '-a', 'a\0b', 'a'.repeat(129)])('%j cannot be the id of a pod', (id) => {
  expect(() => checkPodId(id)).toThrow('cannot be the id of a pod')
})

test('an executor task id can', () => {
  expect(() => checkPodId('0190b5a2-7b1c-7e3f-8000-0123456789ab.1')).not.toThrow()
})
