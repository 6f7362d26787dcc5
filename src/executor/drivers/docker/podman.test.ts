// The docker driver on Podman's compatible socket. Runs wherever root has podman installed; with SLIPWAY_TEST_PODMAN=1 its
// absence is a failure.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import { findHelperBinary } from '../../helper/helper-binary.ts'
import { aContainer, driverContract } from '../driver-contract.ts'
import { openDockerDriver } from './docker-driver.ts'
import { Engine } from './engine.ts'
import { makeTestImage } from './test-image.ts'

const isWanted = process.env.SLIPWAY_TEST_PODMAN === '1'
const isInstalled = process.getuid?.() === 0 && spawnSync('podman', ['--version']).status === 0

test.runIf(isWanted)('podman is installed, and the tests run as root', () => {
  expect(isInstalled).toBe(true)
})

describe.runIf(isInstalled)('on the socket of podman', () => {
  const never = new AbortController().signal
  let dir: string
  let service: ChildProcess
  const socket = () => join(dir, 'podman.sock')

  const open = (ownerId: string) =>
    openDockerDriver({
      ownerId,
      host: `unix://${socket()}`,
      environment: {},
      clock: systemClock,
      logger: silentLogger,
      helperBinary: findHelperBinary,
      allowPrivileged: false,
    })

  const image = async () => {
    await using engine = await Engine.open({ address: { kind: 'unix', path: socket() }, clock: systemClock })
    return await makeTestImage(engine)
  }

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'slipway-podman-'))
    // Podman's own default is more than a process in a container may ask for.
    const config = join(dir, 'containers.conf')
    writeFileSync(config, '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n')
    service = spawn('podman', ['system', 'service', '--time=0', `unix://${socket()}`], {
      stdio: 'ignore',
      env: { ...process.env, CONTAINERS_CONF: config },
    })
    const deadline = Date.now() + 20_000
    for (;;) {
      const engine = await Engine.open({ address: { kind: 'unix', path: socket() }, clock: systemClock }).catch(
        () => {},
      )
      if (engine !== undefined) {
        await engine[Symbol.asyncDispose]()
        return
      }
      if (Date.now() > deadline) throw new Error('podman system service does not answer')
      await systemClock.sleep(50)
    }
  })

  afterAll(async () => {
    const ended = new Promise((resolve) => service.once('exit', resolve))
    service.kill()
    await ended
    rmSync(dir, { recursive: true })
  })

  driverContract('podman', {
    open,
    image,
    makeSocket: (path) =>
      `ln -sf '${path}' /dev/log; syslogd -O /tmp/syslog; while ! test -S '${path}'; do sleep 0.02; done`,
  })

  test('a person enters by podman', async () => {
    await using driver = await open(`test-${randomUUID()}`)
    const containers = [aContainer({ image: await image() })]
    const spec = { id: randomUUID(), containers, user: 'builder', registryAuth: {}, pull: 'never' } as const
    const pod = await driver.createPod(spec, { log: () => {}, signal: never })
    expect(pod.enterCommand).toBe(`podman exec -it -u builder slipway-${pod.id}-0 sh`)
    await pod.remove(never)
  })
})
