import { expect, test } from 'vitest'
import type { Pod, StepCommand, StepProcess } from '../../driver.ts'
import { HostPod } from './host-pod.ts'

const { signal } = new AbortController()
const command: StepCommand = {
  id: 'step',
  argv: ['/bin/true'],
  environment: {},
  workingDir: '/',
  createDirs: [],
  tty: false,
}

test('it is used when its first step was started, not before, and once', async () => {
  const starting = Promise.withResolvers<void>()
  const { pod, used } = aPod(() => starting.promise)
  const first = pod.start(command, signal)
  expect(used()).toBe(0)
  starting.resolve()
  await first
  expect(used()).toBe(1)
  await pod.start({ ...command, id: 'second' }, signal)
  await pod.remove(signal)
  expect(used()).toBe(1)
})

test('without a step it is used when it is removed', async () => {
  const { pod, used } = aPod(async () => {})
  await pod.remove(signal)
  expect(used()).toBe(1)
})

function aPod(started: () => Promise<void>): { readonly pod: HostPod; readonly used: () => number } {
  let used = 0
  const step = { exit: Promise.resolve({ kind: 'exited', code: 0 }) } as unknown as StepProcess
  const inner = {
    id: 'pod',
    start: async () => {
      await started()
      return step
    },
  } as unknown as Pod
  const pod = new HostPod({
    inner,
    enterCommand: '',
    explain: (exit) => exit,
    onUsed: () => used++,
    remove: async () => {},
  })
  return { pod, used: () => used }
}
