// Tasks in sandboxes of this machine: the whole life of a pod against bare bubblewrap.

import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Driver } from '../src/executor/driver.ts'
import { openHostDriver } from '../src/executor/drivers/host/host-driver.ts'
import { findHelperBinary, hostArch } from '../src/executor/helper/helper-binary.ts'
import { systemClock } from '../src/lib/clock.ts'
import { silentLogger } from '../src/lib/log.ts'
import { type Figure, figure } from './figure.ts'
import { bubblewrapEcho, bubblewrapEchoes } from './floors/host.ts'
import { interleaved } from './interleaved.ts'

const sampleCount = 50
const chainSampleCount = 15
const chainLength = 10

// A whole task may take 25 ms and a chain of ten 150 ms, database included: what the driver may use of that.
const taskMsMax = 12
const chainMsMax = 120

/** Needs bubblewrap. */
export async function run(): Promise<Figure[]> {
  const dataDir = await mkdtemp(join(tmpdir(), 'slipway-bench-host-'))
  try {
    await using driver = await openHostDriver({
      dataDir,
      ownerId: 'bench',
      helperFile: (await findHelperBinary(hostArch())).path,
      allowUnsandboxed: false,
      readOnlyPaths: [],
      clock: systemClock,
      logger: silentLogger,
    })
    const task = await interleaved({ count: sampleCount }, () => tasks(driver, 1), bubblewrapEcho)
    const chain = await interleaved(
      { count: chainSampleCount },
      () => tasks(driver, chainLength),
      () => bubblewrapEchoes(chainLength),
    )
    const unit = 'ms'
    return [
      figure({ name: 'host: pod made, one echo, pod removed', unit, ...task }, { of: 'value', most: taskMsMax }),
      figure({ name: 'host: ten such pods one after another', unit, ...chain }, { of: 'value', most: chainMsMax }),
    ]
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** Makes a pod, runs one step in it, removes it, `count` times. Milliseconds. */
async function tasks(driver: Driver, count: number): Promise<number> {
  const { signal } = new AbortController()
  const container = { image: '', environment: {}, user: '', privileged: false, entrypoint: [], volumes: [] }
  const begin = performance.now()
  for (let i = 0; i < count; i++) {
    const pod = await driver.createPod(
      { id: randomUUID(), containers: [container], user: '', registryAuth: {}, pull: 'never' },
      { log: () => {}, signal },
    )
    const step = await pod.start(
      {
        id: 'echo',
        argv: ['/bin/sh', '-e'],
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
    await pod.remove(signal)
  }
  return performance.now() - begin
}
