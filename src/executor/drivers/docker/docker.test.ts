import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../../lib/clock.ts'
import type { SlipwayError } from '../../../lib/errors.ts'
import { silentLogger } from '../../../lib/log.ts'
import type { Driver, Pod, PodSpec } from '../../driver.ts'
import { findHelperBinary } from '../../helper/helper-binary.ts'

import { aContainer, aStep, driverContract, run } from '../driver-contract.ts'
import { type DockerDriverOptions, openDockerDriver } from './docker-driver.ts'
import { Engine } from './engine.ts'
import { makeTestImage, type TestImage } from './test-image.ts'

const never = new AbortController().signal

const open = (options: Partial<DockerDriverOptions> = {}) =>
  openDockerDriver({
    ownerId: `test-${randomUUID()}`,
    environment: {},
    clock: systemClock,
    logger: silentLogger,
    helperBinary: findHelperBinary,
    allowPrivileged: false,
    ...options,
  })

async function withEngine<T>(use: (engine: Engine) => Promise<T>): Promise<T> {
  await using engine = await Engine.open({
    address: { kind: 'unix', path: '/var/run/docker.sock' },
    clock: systemClock,
  })
  return await use(engine)
}

const anImage = (image: TestImage = {}) => withEngine((engine) => makeTestImage(engine, image))

driverContract('docker', {
  open: (ownerId) => open({ ownerId }),
  image: () => anImage(),
  // syslogd listens on /dev/log and follows a symlink there.
  makeSocket: (path) =>
    `ln -sf '${path}' /dev/log; syslogd -O /tmp/syslog; while ! test -S '${path}'; do sleep 0.02; done`,
})

describe('the docker driver alone', () => {
  const ownerId = `test-${randomUUID()}`
  let driver: Driver
  let image: string

  const createPod = (spec: Partial<PodSpec>, from = driver) =>
    from.createPod(
      { id: randomUUID(), containers: [aContainer({ image })], user: '', registryAuth: {}, pull: 'never', ...spec },
      { log: () => {}, signal: never },
    )

  beforeAll(async () => {
    driver = await open({ ownerId })
    image = await anImage()
  })

  afterAll(async () => {
    for (const id of await driver.listPods(never)) await driver.removePod(id, never)
    await driver[Symbol.asyncDispose]()
  })

  test('takes the architecture from the engine', () => {
    expect(driver.facts).toMatchObject({ supportsServices: true, supportsPrivileged: false })
    expect(driver.facts.description).toMatch(/^(Docker|Podman) Engine \d/)
  })

  test.each([
    ['', '', '0 /root root'],
    ['builder', '', '1000 /home/builder builder'],
    ['builder', 'root', '0 /root root'],
    ['builder', '65534', '65534 / nobody'],
    ['', 'builder:wheel', '1000 /home/builder builder'],
  ])('an image with USER %j and a task with user %j has its steps run so: %s', async (inImage, user, expected) => {
    const its = await anImage(inImage === '' ? {} : { user: inImage })
    const pod = await createPod({ containers: [aContainer({ image: its })], user })
    const { output } = await run(pod, { script: 'echo "$(id -u) $HOME $USER"; touch ~/mine', workingDir: '/' })
    expect(output.split('\n')[0]).toBe(expected)
    await pod.remove(never)
  })

  test('a user that is not there is refused by name', async () => {
    const pod = await createPod({ user: 'stranger' })
    const { exit } = await run(pod, { script: 'true' })
    expect(exit).toEqual({ kind: 'refused', message: expect.stringContaining('stranger') })
    await pod.remove(never)
  })

  test('what a step may not touch: the helper, the spool, the pod’s private directory', async () => {
    const pod = await createPod({ user: 'builder' })
    const { output } = await run(pod, {
      script: `
        (echo x > /.slipway/bin/slipway-pod) 2> /dev/null && echo wrote the helper
        ls /.slipway/pod > /dev/null 2>&1 && echo read the private directory
        touch /.slipway/x 2> /dev/null && echo wrote beside it
        echo done`,
    })
    expect(output).toBe('done\n')
    const root = await createPod({})
    expect(
      (await run(root, { script: '(echo x > /.slipway/bin/slipway-pod) 2> /dev/null || echo refused' })).output,
    ).toBe('refused\n')
    await Promise.all([pod.remove(never), root.remove(never)])
  })

  test('the image’s environment and working directory are those of the steps', async () => {
    const its = await anImage({ environment: ['PATH=/bin', 'OF_IMAGE=a=b', 'HOME=/srv'], workingDir: '/srv' })
    const pod = await createPod({ containers: [aContainer({ image: its, environment: { MORE: 'c' } })] })
    const { output } = await run(pod, { script: 'echo "$PATH $OF_IMAGE $MORE $HOME $(pwd)"', workingDir: '' })
    expect(output).toBe('/bin a=b c /srv /srv\n')
    const later = await open({ ownerId })
    const found = await later.attachPod(pod.id, never)
    expect((await run(found!, { script: 'echo "$OF_IMAGE $MORE"', workingDir: '' })).output).toBe('a=b c\n')
    await later[Symbol.asyncDispose]()
    await pod.remove(never)
  })

  test('services are reached on localhost, have their own user and file system, and go with the pod', async () => {
    const pod = await createPod({
      containers: [
        aContainer({ image }),
        aContainer({
          image,
          user: 'builder',
          environment: { GREETING: 'hello from the service' },
          entrypoint: ['sh', '-c', 'while :; do echo "$GREETING, uid $(id -u)" | nc -l -p 8080; done'],
        }),
        aContainer({ image: await anImage({ command: ['sh', '-c', 'nc -l -p 8081 -e echo second; sleep 1000'] }) }),
      ],
    })
    const { output } = await run(pod, {
      script: `
        ask() { for i in $(seq 100); do nc 127.0.0.1 $1 < /dev/null 2> /dev/null && return; sleep 0.05; done; }
        ask 8080; ask 8081; hostname > /tmp/only-here`,
    })
    expect(output).toBe('hello from the service, uid 1000\nsecond\n')
    await pod.remove(never)
    await withEngine(async (engine) => {
      const query = { all: '1', filters: JSON.stringify({ label: [`dev.slipway.pod=${pod.id}`] }) }
      expect(await engine.call({ method: 'GET', path: '/containers/json', query })).toEqual([])
    })
  })

  test('a service that cannot start fails the setup with its image and the reason, and nothing stays', async () => {
    const id = randomUUID()
    const containers = [aContainer({ image }), aContainer({ image, entrypoint: ['/no/such/program'] })]
    const attempt = createPod({ id, containers })
    await expect(attempt).rejects.toMatchObject({ code: 'setup_failed' })
    await expect(attempt).rejects.toThrow(/service container 1 .*\/no\/such\/program/s)
    expect(await driver.listPods(never)).not.toContain(id)
  })

  test('tmpfs volumes have the size that was asked for', async () => {
    const volumes = [
      { path: '/mnt/small', tmpfs: { sizeBytes: 1_048_576 } },
      { path: '/mnt/any', tmpfs: { sizeBytes: 0 } },
    ]
    const pod = await createPod({ containers: [aContainer({ image, volumes })], user: 'builder' })
    const { output } = await run(pod, {
      script: `
        grep ' /mnt/small ' /proc/mounts | grep -o 'tmpfs.*size=1024k' > /dev/null && echo small
        grep ' /mnt/any tmpfs ' /proc/mounts > /dev/null && echo any
        : > /mnt/small/written && echo written`,
    })
    expect(output).toBe('small\nany\nwritten\n')
    await pod.remove(never)
  })

  test('an entrypoint is what runs in the main container, and steps run beside it', async () => {
    const entrypoint = ['sh', '-c', 'echo "$0 $1" > /tmp/words; exec sleep 1000', 'a b', '']
    const pod = await createPod({ containers: [aContainer({ image, entrypoint })] })
    expect((await run(pod, { script: 'until test -s /tmp/words; do sleep 0.02; done; cat /tmp/words' })).output).toBe(
      'a b \n',
    )
    await pod.remove(never)
  })

  test('an entrypoint that ends takes the pod with it, and the message says how it ended', async () => {
    const pod = await createPod({ containers: [aContainer({ image, entrypoint: ['sh', '-c', 'exit 3'] })] })
    const attempt = (async () => {
      // The container needs a moment to end.
      for (;;) await run(pod, { script: 'sleep 0.02' }).then(({ exit }) => exit.kind === 'lost' && Promise.reject(exit))
    })()
    await expect(attempt).rejects.toMatchObject({ message: expect.stringContaining('exit status 3') })
    expect(await driver.attachPod(pod.id, never)).toBeUndefined()
    await pod.remove(never)
  })

  test('a step killed by the memory limit ends out_of_memory, one that kills itself does not', async () => {
    await using limited = await open({ ownerId, memoryBytes: 64 * 1024 * 1024 })
    const pod = await createPod({}, limited)
    const hungry = 'dd if=/dev/zero of=/dev/null bs=200M count=1'
    expect((await run(pod, { script: 'kill -9 $$' })).exit).toEqual({ kind: 'signaled', signal: 'SIGKILL' })
    expect((await run(pod, { script: hungry })).exit).toEqual({ kind: 'out_of_memory' })
    expect((await run(pod, { script: `exec ${hungry}` })).exit).toEqual({ kind: 'out_of_memory' })
    expect((await run(pod, { script: 'exit 137' })).exit).toEqual({ kind: 'exited', code: 137 })
    await pod.remove(never)
  })

  test('privileged containers are refused unless allowed', async () => {
    const containers = [aContainer({ image, privileged: true })]
    await expect(createPod({ containers })).rejects.toMatchObject({
      code: 'setup_failed',
      message: expect.stringContaining('does not allow privileged containers'),
    })
    await using allowing = await open({ ownerId, allowPrivileged: true })
    expect(allowing.facts.supportsPrivileged).toBe(true)
    const outcome = await createPod({ containers }, allowing).catch((error: unknown) => error)
    // An engine that has not all capabilities itself, being in a container, cannot give them; that is said.
    if (outcome instanceof Error) expect(outcome.message).toMatch(/start the main container.*(caps|not permitted)/s)
    else {
      const pod = outcome as Pod
      expect((await run(pod, { script: 'mount -t tmpfs none /srv && echo mounted' })).output).toBe('mounted\n')
      await pod.remove(never)
    }
  })

  test('what is left half made by a crash is listed, cannot be attached to, and is removed', async () => {
    const id = randomUUID()
    const pod = await createPod({
      id,
      containers: [aContainer({ image }), aContainer({ image, entrypoint: ['sleep', '9'] })],
    })
    await withEngine((engine) =>
      engine.call({ method: 'DELETE', path: `/containers/slipway-${id}-1`, query: { force: '1' } }),
    )
    expect(await driver.attachPod(id, never)).toBeUndefined()
    expect(await driver.listPods(never)).toContain(id)
    await driver.removePod(id, never)
    expect(await driver.listPods(never)).not.toContain(id)
    await pod.remove(never)
  })

  test('an image that is removed while it is remembered is noticed', async () => {
    const gone = await anImage({ environment: [`UNIQUE=${randomUUID()}`] })
    const first = await createPod({ containers: [aContainer({ image: gone })] })
    await first.remove(never)
    await withEngine((engine) => engine.call({ method: 'DELETE', path: `/images/${gone}` }))
    await expect(createPod({ containers: [aContainer({ image: gone })] })).rejects.toMatchObject({ code: 'image_pull' })
  })

  test('an image for another architecture is refused before anything is made', async () => {
    const foreign = await anImage({ arch: 'arm64' })
    const attempt = createPod({ arch: 'amd64', containers: [aContainer({ image: foreign })] })
    await expect(attempt).rejects.toThrow('is for arm64, the task wants amd64')
  })

  test('a missing image fails the pod with its name', async () => {
    const attempt = createPod({ containers: [aContainer({ image: 'localhost/no/such:image' })] })
    await expect(attempt).rejects.toMatchObject({
      code: 'image_pull',
      message: expect.stringContaining('localhost/no/such:image'),
    })
  })

  test('pods made at the same moment by drivers that have just been opened share one helper', async () => {
    const sha256 = randomUUID().replaceAll('-', '').padEnd(64, '0')
    const volume = `slipway-helper-${sha256.slice(0, 12)}`
    const helperBinary = async (arch: string) => ({ ...(await findHelperBinary(arch)), sha256 })
    const drivers = await Promise.all([1, 2, 3].map(() => open({ ownerId, helperBinary })))
    const pods = await Promise.all(drivers.map((each) => createPod({}, each)))
    for (const pod of pods) expect((await run(pod, { script: 'echo works' })).output).toBe('works\n')
    await Promise.all(pods.map((pod) => pod.remove(never)))
    await withEngine(async (engine) => {
      await engine.call({ method: 'DELETE', path: `/volumes/${volume}` })
      // The volume is gone behind the driver's back: it is filled again.
      const pod = await createPod({}, drivers[0])
      expect((await run(pod, { script: 'echo again' })).output).toBe('again\n')
      await pod.remove(never)
      await engine.call({ method: 'DELETE', path: `/volumes/${volume}` })
    })
    for (const each of drivers) await each[Symbol.asyncDispose]()
  })

  test('the lock of a process that died while it filled the volume is taken over', async () => {
    const sha256 = randomUUID().replaceAll('-', '').padEnd(64, '0')
    const volume = `slipway-helper-${sha256.slice(0, 12)}`
    let sleptMs = 0
    // Time passes only by waiting, and a thousand times as fast.
    const clock: Clock = {
      ...systemClock,
      now: () => sleptMs,
      sleep: async (ms) => {
        sleptMs += ms * 1000
      },
    }
    const helperBinary = async (arch: string) => ({ ...(await findHelperBinary(arch)), sha256 })
    await using waiting = await open({ ownerId, helperBinary, clock })
    await withEngine(async (engine) => {
      await engine.call({
        method: 'POST',
        path: '/containers/create',
        query: { name: `${volume}-fill` },
        body: { Image: image, Cmd: ['true'] },
      })
      const pod = await createPod({}, waiting)
      expect((await run(pod, { script: 'echo works' })).output).toBe('works\n')
      expect(sleptMs).toBeGreaterThanOrEqual(30_000)
      await pod.remove(never)
      await engine.call({ method: 'DELETE', path: `/volumes/${volume}` })
    })
  })

  test('a step goes on when the process that started it is killed, and its successor has every line once', async () => {
    const id = randomUUID()
    const from = (path: string) => JSON.stringify(resolve(import.meta.dirname, path))
    const program = `
      import { openDockerDriver } from ${from('docker-driver.ts')}
      import { findHelperBinary } from ${from('../../helper/helper-binary.ts')}
      import { systemClock } from ${from('../../../lib/clock.ts')}
      import { silentLogger as logger } from ${from('../../../lib/log.ts')}
      const driver = await openDockerDriver({
        ownerId: ${JSON.stringify(ownerId)}, environment: {}, clock: systemClock, logger,
        helperBinary: findHelperBinary, allowPrivileged: false,
      })
      const { signal } = new AbortController()
      const container = {
        image: ${JSON.stringify(image)}, environment: {}, user: '', privileged: false, entrypoint: [], volumes: [],
      }
      const pod = await driver.createPod(
        { id: ${JSON.stringify(id)}, containers: [container], user: '', registryAuth: {}, pull: 'never' },
        { log: () => {}, signal },
      )
      const script = 'seq 1 5000; until test -e /tmp/go; do sleep 0.05; done; seq 5001 10000'
      const step = await pod.start(
        { id: 'numbers', argv: ['sh'], script, environment: {}, workingDir: '/', createDirs: [], tty: false },
        signal,
      )
      for await (const chunk of step.output()) process.stdout.write(chunk)`
    const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((seen) => child.stdout.once('data', seen))
    const killed = new Promise((ended) => child.once('exit', ended))
    child.kill('SIGKILL')
    await killed
    const pod = await driver.attachPod(id, never)
    expect((await run(pod!, { script: 'touch /tmp/go' })).exit).toEqual({ kind: 'exited', code: 0 })
    await using step = await pod!.attach('numbers', 0, never)
    let output = ''
    for await (const chunk of step.output()) output += Buffer.from(chunk)
    expect(output).toBe(Array.from({ length: 10_000 }, (_, i) => `${i + 1}\n`).join(''))
    expect(await step.exit).toEqual({ kind: 'exited', code: 0 })
    await pod!.remove(never)
  })

  test('a main container killed from outside loses its step, which says how it ended; later steps find no pod', async () => {
    const pod = await createPod({})
    const kill = () =>
      withEngine((engine) => engine.call({ method: 'POST', path: `/containers/slipway-${pod.id}-0/kill` }))
    const step = await pod.start(aStep({ script: 'echo begun; sleep 1000' }), never)
    const output = step.output()[Symbol.asyncIterator]()
    await output.next()
    await kill()
    while (!(await output.next()).done);
    expect(await step.exit).toEqual({ kind: 'lost', message: 'the main container is exited, exit status 137' })
    await expect(pod.start(aStep({ script: 'true' }), never)).rejects.toMatchObject({ code: 'pod_gone' })
    await pod.remove(never)
  })

  test('a main container killed while nothing runs: the next step finds no pod, or is lost if it was faster', async () => {
    const pod = await createPod({})
    await withEngine((engine) => engine.call({ method: 'POST', path: `/containers/slipway-${pod.id}-0/kill` }))
    const outcome = await run(pod, { script: 'true' }).then(
      ({ exit }) => exit.kind,
      (error: SlipwayError) => error.code,
    )
    expect(['pod_gone', 'lost']).toContain(outcome)
    await pod.remove(never)
  })

  test('enters a pod by a command that names its container', async () => {
    const pod = await createPod({})
    expect(pod.enterCommand).toBe(`docker exec -it slipway-${pod.id}-0 sh`)
    await pod.remove(never)
  })
})

test('no engine is said with everything that was tried', async () => {
  await expect(open({ host: 'unix:///no/such.sock' })).rejects.toMatchObject({
    code: 'driver_unavailable',
    message: expect.stringMatching(/unix:\/\/\/no\/such\.sock: there is no such socket/),
  })
  await expect(open({ environment: { DOCKER_HOST: 'tcp://127.0.0.1:9' } })).rejects.toThrow(
    'tcp://127.0.0.1:9: nobody answers',
  )
})
