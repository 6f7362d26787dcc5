// Tasks in containers: the whole life of a pod against the bare calls an engine needs for the same.

import { randomUUID } from 'node:crypto'
import type { Driver } from '../src/executor/driver.ts'
import { openDockerDriver } from '../src/executor/drivers/docker/docker-driver.ts'
import { Engine } from '../src/executor/drivers/docker/engine.ts'
import { makeTestImage } from '../src/executor/drivers/docker/test-image.ts'
import { findHelperBinary } from '../src/executor/helper/helper-binary.ts'
import { systemClock } from '../src/lib/clock.ts'
import { silentLogger } from '../src/lib/log.ts'
import { type Figure, figure } from './figure.ts'
import { closeFloor, containerWithExecs, dockerRuns } from './floors/docker.ts'
import { interleaved } from './interleaved.ts'

const sampleCount = 15
const parallelTasks = 10

/** Needs a Docker engine on the usual socket, its command line, and Debian's static busybox. */
export async function run(): Promise<Figure[]> {
  await using driver = await openDockerDriver({
    ownerId: 'bench',
    host: 'unix:///var/run/docker.sock',
    environment: {},
    clock: systemClock,
    logger: silentLogger,
    helperBinary: findHelperBinary,
    allowPrivileged: false,
  })
  const image = await testImage()
  try {
    const one = await interleaved(
      { count: sampleCount },
      () => task(driver, image, 1),
      () => containerWithExecs(image, 1),
    )
    const five = await interleaved(
      { count: sampleCount },
      () => task(driver, image, 5),
      () => containerWithExecs(image, 5),
    )
    const parallel = await interleaved(
      { count: sampleCount },
      () => tasks(driver, image, parallelTasks),
      () => dockerRuns(image, parallelTasks),
    )
    const unit = 'ms'
    return [
      figure({ name: 'docker: one task with one step', unit, ...one }, { of: 'ratio', most: 1.15 }),
      figure({ name: 'docker: one task with five steps', unit, ...five }, { of: 'ratio', most: 1.15 }),
      figure({ name: 'docker: 10 tasks in parallel', unit, ...parallel }, { of: 'ratio', most: 1.1 }),
    ]
  } finally {
    closeFloor()
  }
}

async function testImage(): Promise<string> {
  await using engine = await Engine.open({
    address: { kind: 'unix', path: '/var/run/docker.sock' },
    clock: systemClock,
  })
  return await makeTestImage(engine)
}

async function tasks(driver: Driver, image: string, count: number): Promise<number> {
  const begin = performance.now()
  await Promise.all(Array.from({ length: count }, () => task(driver, image, 1)))
  return performance.now() - begin
}

/** Makes a pod, runs `steps` steps in it one after another, removes it. Milliseconds. */
async function task(driver: Driver, image: string, steps: number): Promise<number> {
  const { signal } = new AbortController()
  const begin = performance.now()
  const container = { image, environment: {}, user: '', privileged: false, entrypoint: [], volumes: [] }
  const pod = await driver.createPod(
    { id: randomUUID(), containers: [container], user: '', registryAuth: {}, pull: 'if_missing' },
    { log: () => {}, signal },
  )
  for (let i = 0; i < steps; i++) {
    const step = await pod.start(
      {
        id: `step-${i}`,
        argv: ['sh', '-e'],
        script: 'echo hello',
        environment: {},
        workingDir: '~/project',
        createDirs: ['~/project'],
        tty: false,
      },
      signal,
    )
    let output = ''
    for await (const chunk of step.output()) output += Buffer.from(chunk)
    const exit = await step.exit
    if (output !== 'hello\n' || exit.kind !== 'exited' || exit.code !== 0)
      throw new Error(`the step printed ${JSON.stringify(output)} and ended ${JSON.stringify(exit)}`)
  }
  await pod.remove(signal)
  return performance.now() - begin
}
