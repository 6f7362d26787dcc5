// Runs of tasks in containers, as a local Slipway executes them, database, logs and all: from their creation until nothing of
// them is left, against the bare calls an engine needs for the same.

import { Engine } from '../src/executor/drivers/docker/engine.ts'
import { makeTestImage } from '../src/executor/drivers/docker/test-image.ts'
import { systemClock } from '../src/lib/clock.ts'
import { type Figure, figure } from './figure.ts'
import { closeFloor, containerWithExecs, dockerRuns } from './floors/docker.ts'
import { aRequest, echoStep } from './inputs/runs.ts'
import { interleaved, timeMs } from './interleaved.ts'
import { openLocalSlipway } from './local-slipway.ts'

const sampleCount = 15
const parallelTasks = 10

/** Needs a Docker engine on the usual socket, its command line, and Debian's static busybox. */
export async function run(): Promise<Figure[]> {
  const image = await testImage()
  try {
    await using slipway = await openLocalSlipway({ driver: 'docker', jobs: parallelTasks })
    /** Tasks of one run, with `steps` steps each, in `~/project`. Removing the pods counts, as it does in the floor. */
    const sampleOf =
      ({ tasks, steps }: { readonly tasks: number; readonly steps: number }) =>
      () =>
        timeMs(async () => {
          const task = { image, steps: Array.from({ length: steps }, () => echoStep) }
          await slipway.run(aRequest(Array.from({ length: tasks }, () => task)))
          await slipway.idle()
        })
    const one = await interleaved({ count: sampleCount }, sampleOf({ tasks: 1, steps: 1 }), () =>
      containerWithExecs(image, 1),
    )
    const five = await interleaved({ count: sampleCount }, sampleOf({ tasks: 1, steps: 5 }), () =>
      containerWithExecs(image, 5),
    )
    const parallel = await interleaved({ count: sampleCount }, sampleOf({ tasks: parallelTasks, steps: 1 }), () =>
      dockerRuns(image, parallelTasks),
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
