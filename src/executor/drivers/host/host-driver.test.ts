import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../lib/clock.ts'
import { runProcess } from '../../../lib/process.ts'
import { identifyProcess, isAlive } from '../../../lib/process-identity.ts'
import { markOfThisProcess } from '../../../lib/process-mark.ts'
import type { Driver, Pod, PodSpec } from '../../driver.ts'
import { aContainer, aStep, run } from '../driver-contract.ts'
import { groupText, lookAtHost, passwdText } from './host-view.ts'
import { loadSandboxRecord, podDirectory, savePodRecord, saveSandboxRecord } from './pod-directory.ts'
import { makeDataDir, openTestHost } from './test-host.ts'
import { uidClaimsDir } from './uid-pool.ts'

const never = new AbortController().signal
const isRoot = process.getuid?.() === 0

function aDataDir(): string {
  const dataDir = makeDataDir()
  onTestFinished(dataDir.remove)
  return dataDir.path
}

function create(driver: Driver, changes: Partial<PodSpec> = {}, log: (line: string) => void = () => {}): Promise<Pod> {
  const containers = [aContainer({ image: '' })]
  const spec = { id: randomUUID(), containers, user: '', registryAuth: {}, pull: 'never', ...changes } as const
  return driver.createPod(spec, { log, signal: never })
}

async function removeAll(driver: Driver): Promise<void> {
  for (const id of await driver.listPods(never)) await driver.removePod(id, never)
}

/** Processes that have the data directory in their command line or environment. */
function processesOf(dataDir: string): readonly string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const text = readFileSync(`/proc/${pid}/cmdline`, 'latin1') + readFileSync(`/proc/${pid}/environ`, 'latin1')
      return /^\d+$/.test(pid) && pid !== String(process.pid) && text.includes(dataDir) ? [pid] : []
    } catch {
      return []
    }
  })
}

/** What must be left of pods when all are removed: no process, directory, uid or control group. */
async function expectNothingLeft(dataDir: string, podIds: readonly string[] = []): Promise<void> {
  const removed = () => readdirSync(join(dataDir, 'pods-removed'))
  // Deleting goes on behind, and the processes of an aborted start end by themselves.
  for (let waits = 0; (processesOf(dataDir).length > 0 || removed().length > 0) && waits < 500; waits++)
    await systemClock.sleep(10)
  expect(processesOf(dataDir)).toEqual([])
  expect(removed()).toEqual([])
  expect(readdirSync(join(dataDir, 'pods')).flatMap((owner) => readdirSync(join(dataDir, 'pods', owner)))).toEqual([])
  if (!isRoot) return
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
  expect(mounts).not.toContain(dataDir)
  for (const controller of ['memory/slipway', 'pids/slipway', 'slipway']) {
    const dir = join('/sys/fs/cgroup', controller)
    const groups = existsSync(dir) ? readdirSync(dir) : []
    expect(groups.filter((name) => podIds.some((id) => name.endsWith(id)))).toEqual([])
  }
}

describe('opening', () => {
  test('without bubblewrap fails with driver_unavailable and says what to do', async () => {
    const opening = openTestHost({ dataDir: aDataDir(), bubblewrap: '/nowhere/bwrap' })
    await expect(opening).rejects.toMatchObject({
      code: 'driver_unavailable',
      message: expect.stringMatching(/needs bubblewrap.*install it/),
    })
  })

  test('with a bubblewrap that cannot make sandboxes fails with what it said', async () => {
    const dataDir = aDataDir()
    const broken = join(dataDir, 'bwrap')
    writeFileSync(
      broken,
      '#!/bin/sh\ntest "$1" = --version && echo bubblewrap 9 && exit\necho no permission >&2; exit 1\n',
      {
        mode: 0o755,
      },
    )
    await expect(openTestHost({ dataDir, bubblewrap: broken })).rejects.toMatchObject({
      code: 'driver_unavailable',
      message: expect.stringContaining('no permission'),
    })
    await expectNothingLeft(dataDir)
  })

  test.each(['/', '/root', '/run', 'relative', '/does/not/exist'])('does not show %s in sandboxes', (path) => {
    expect(() => lookAtHost({ readOnlyPaths: [path], hiddenPaths: [] })).toThrow(/cannot be shown|does not exist/)
  })

  test('says what isolates tasks', async () => {
    await using driver = await openTestHost({ dataDir: aDataDir() })
    expect(driver.facts.description).toMatch(/^bubblewrap \d+\.\d+\.\d+, /)
    expect(driver.facts).toMatchObject({ supportsServices: false, supportsPrivileged: false })
  })

  test('deletes files that a killed process was writing, and leaves those of processes that live', async () => {
    const dataDir = aDataDir()
    mkdirSync(join(dataDir, 'host'), { recursive: true })
    const own = markOfThisProcess()
    const killed = own.replace(/\.\d+\./, `.${spawnSync('true').pid}.`)
    for (const mark of [own, killed]) writeFileSync(join(dataDir, 'host', `slipway-pod-x.${mark}.new`), '')
    await (await openTestHost({ dataDir }))[Symbol.asyncDispose]()
    expect(readdirSync(join(dataDir, 'host')).filter((name) => name.endsWith('.new'))).toEqual([
      `slipway-pod-x.${own}.new`,
    ])
  })

  test('deletes what earlier processes removed and could not delete', async () => {
    const dataDir = aDataDir()
    mkdirSync(join(dataDir, 'pods-removed/old/deep'), { recursive: true })
    await (await openTestHost({ dataDir }))[Symbol.asyncDispose]()
    await expectNothingLeft(dataDir)
  })
})

test('the sandbox’s user takes the place of whoever has its name or uid', () => {
  const original = 'root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/home/anna:/bin/sh\nslipway:x:7:7::/:/bin/sh\n'
  expect(passwdText(original)).toBe('root:x:0:0::/root:/bin/sh\nslipway:x:1000:1000:Slipway:/home/slipway:/bin/sh\n')
  expect(groupText('root:x:0:\nanna:x:1000:\n')).toBe('root:x:0:\nslipway:x:1000:\n')
})

describe('making a pod', () => {
  test('is refused for what needs docker, and leaves nothing', async () => {
    const dataDir = aDataDir()
    const driver = await openTestHost({ dataDir })
    const containers = [aContainer({ image: 'a' }), aContainer({ image: 'b' })]
    await expect(create(driver, { containers })).rejects.toMatchObject({
      code: 'driver_unsupported',
      message: 'needs docker: the task has 1 service container',
    })
    await driver[Symbol.asyncDispose]()
    await expectNothingLeft(dataDir)
  })

  test('says in the setup log what is not used', async () => {
    await using driver = await openTestHost({ dataDir: aDataDir() })
    const lines: string[] = []
    const pod = await create(driver, { containers: [aContainer({ image: 'alpine' })] }, (line) => lines.push(line))
    expect(lines).toEqual(['host driver: the image alpine is not used, the task runs on this machine'])
    await pod.remove(never)
  })

  test('is refused while less of the disk is free than is kept', async () => {
    await using driver = await openTestHost({ dataDir: aDataDir(), limits: { freeDiskPercentMin: 100.1 } })
    await expect(create(driver)).rejects.toMatchObject({ code: 'disk_full' })
  })

  test('mounts memory file systems of their size', async () => {
    await using driver = await openTestHost({ dataDir: aDataDir() })
    const volumes = [{ path: '/mnt/deep/ram', tmpfs: { sizeBytes: 1024 * 1024 } }]
    const pod = await create(driver, { containers: [aContainer({ image: '', volumes })] })
    const script =
      'cd /mnt/deep/ram && echo works > a && cat a && head -c 2000000 /dev/zero > b 2> /dev/null || echo full'
    expect((await run(pod, { script })).output).toBe('works\nfull\n')
    await pod.remove(never)
  })

  test.runIf(isRoot)('works below a directory that only somebody else may enter', async () => {
    const dataDir = aDataDir()
    chownSync(dataDir, 12_345, 54_321)
    chmodSync(dataDir, 0o700)
    await using driver = await openTestHost({ dataDir: join(dataDir, 'data') })
    const pod = await create(driver)
    expect((await run(pod, { script: 'cd && : > file && stat -c %U file' })).output).toBe('slipway\n')
    await pod.remove(never)
  })

  test('works for many at once, each with a user of its own', async () => {
    const dataDir = aDataDir()
    const driver = await openTestHost({ dataDir })
    const pods = await Promise.all(Array.from({ length: 12 }, () => create(driver)))
    const outputs = await Promise.all(pods.map((pod, i) => run(pod, { script: `echo ${i} > ~/file; cat ~/file` })))
    expect(outputs.map(({ output }) => output)).toEqual(pods.map((_, i) => `${i}\n`))
    if (isRoot) {
      const owner = join(dataDir, 'pods', readdirSync(join(dataDir, 'pods'))[0]!) // Made by opening.
      const uids = pods.map((pod) => statSync(podDirectory(owner, pod.id).homeDir).uid)
      expect(new Set(uids).size).toBe(pods.length)
    }
    await Promise.all(pods.map((pod) => pod.remove(never)))
    await driver[Symbol.asyncDispose]()
    await expectNothingLeft(
      dataDir,
      pods.map(({ id }) => id),
    )
  })

  test('tells how a person enters it', async () => {
    await using driver = await openTestHost({ dataDir: aDataDir() })
    const pod = await create(driver)
    await run(pod, { script: 'echo kept > ~/file' })
    const input = 'id -un; cat ~/file; cat /etc/shadow; ps -e 2> /dev/null | wc -l; exit 3\n'
    const entered = await runProcess('sh', ['-c', pod.enterCommand], { input })
    expect(entered.stdout.toString()).toMatch(/^slipway\nkept\n/)
    expect(entered.code).toBe(3)
    await pod.remove(never)
  })

  test.runIf(isRoot)('works below a data directory that only root may enter', async () => {
    await using driver = await openTestHost({ dataDir: aDataDir() })
    const pod = await create(driver)
    expect((await run(pod, { script: 'id -un; cd; pwd; : > file; stat -c %U file' })).output).toBe(
      'slipway\n/home/slipway\nslipway\n',
    )
    await pod.remove(never)
  })
})

describe('the sandbox that is made ahead', () => {
  const podsIn = (dataDir: string) => {
    const [owner = ''] = readdirSync(join(dataDir, 'pods'))
    return readdirSync(join(dataDir, 'pods', owner)).map((id) => podDirectory(join(dataDir, 'pods', owner), id))
  }

  test('becomes the pod of the next task, which finds nothing in it, and another one is made', async () => {
    const dataDir = aDataDir()
    await using driver = await openTestHost({ dataDir })
    const [ahead] = podsIn(dataDir)
    const { init } = loadSandboxRecord(ahead!)!
    expect(await driver.listPods(never)).toEqual([])
    const containers = [aContainer({ image: '', environment: { GREETING: 'hello' } })]
    const pod = await create(driver, { containers })
    const directory = podDirectory(join(ahead!.path, '..'), pod.id)
    expect(loadSandboxRecord(directory)?.init).toEqual(init)
    expect(existsSync(ahead!.path)).toBe(false)
    expect(await run(pod, { script: 'echo $GREETING; ls -A ~; : > ~/mine' })).toMatchObject({
      output: 'hello\n',
    })
    expect(readdirSync(directory.homeDir)).toEqual(['mine'])
    while (podsIn(dataDir).length < 2) await systemClock.sleep(1)
    expect(await driver.listPods(never)).toEqual([pod.id])
    const next = await create(driver)
    expect((await run(next, { script: 'echo "$GREETING"; ls -A ~' })).output).toBe('\n')
    await Promise.all([pod.remove(never), next.remove(never)])
  })

  test('is attached to by a successor like any pod, when a task has it', async () => {
    const dataDir = aDataDir()
    await using driver = await openTestHost({ dataDir })
    const pod = await create(driver)
    await driver[Symbol.asyncDispose]()
    await using successor = await openTestHost({ dataDir })
    const attached = await successor.attachPod(pod.id, never)
    expect((await run(attached!, { script: 'echo works' })).output).toBe('works\n')
    await successor.removePod(pod.id, never)
    expect(await successor.listPods(never)).toEqual([])
  })

  test('is not given to a task when it was killed', async () => {
    const dataDir = aDataDir()
    await using driver = await openTestHost({ dataDir })
    const { init } = loadSandboxRecord(podsIn(dataDir)[0]!)!
    process.kill(init.pid, 'SIGKILL')
    while (isAlive(init)) await systemClock.sleep(1)
    const pod = await create(driver)
    expect((await run(pod, { script: 'echo works' })).output).toBe('works\n')
    await pod.remove(never)
  })

  test('is not given to a task when something else is in the place of what it shows', async () => {
    const dataDir = aDataDir()
    const tools = join(dataDir, 'tools')
    for (const path of [tools, `${tools}.new`]) mkdirSync(path)
    writeFileSync(join(tools, 'version'), 'old\n')
    writeFileSync(join(`${tools}.new`, 'version'), 'new\n')
    await using driver = await openTestHost({ dataDir: join(dataDir, 'data'), readOnlyPaths: [tools] })
    renameSync(tools, `${tools}.old`)
    renameSync(`${tools}.new`, tools)
    const pod = await create(driver)
    expect((await run(pod, { script: `cat ${tools}/version` })).output).toBe('new\n')
    await pod.remove(never)
  })

  test('ends with the driver, and what a killed executor left of it is a pod to be removed', async () => {
    const dataDir = aDataDir()
    const executor = anExecutor(dataDir, 'numbers', randomUUID(), '10')
    await begun(executor)
    while (podsIn(dataDir).length < 2) await systemClock.sleep(1)
    await killed(executor)
    const driver = await openTestHost({ dataDir })
    expect(await driver.listPods(never)).toHaveLength(2)
    await removeAll(driver)
    await driver[Symbol.asyncDispose]()
    await expectNothingLeft(dataDir)
  })
})

describe('removing a pod', () => {
  test('deletes directories nobody may enter, write or name', async () => {
    const dataDir = aDataDir()
    const driver = await openTestHost({ dataDir })
    const pod = await create(driver)
    const { exit } = await run(pod, {
      script: `
        cd; mkdir -p a/b/c; : > a/b/c/file; chmod 000 a/b/c; chmod 500 a/b; chmod 555 a
        mkdir deep; cd deep
        perl -e 'for (1..40) { mkdir "n" x 200 or die; chdir "n" x 200 or die }'`,
    })
    expect(exit).toEqual({ kind: 'exited', code: 0 })
    await pod.remove(never)
    await driver[Symbol.asyncDispose]()
    await expectNothingLeft(dataDir, [pod.id])
  })

  test.runIf(isRoot)('gives its uid back', async () => {
    const dataDir = aDataDir()
    await using driver = await openTestHost({ dataDir })
    const pod = await create(driver)
    await pod.remove(never)
    const { stdout } = await runProcess('find', [uidClaimsDir, '-lname', `*${pod.id}*`])
    expect(stdout.toString()).toBe('')
  })

  test.each(['', 'directory', 'record', 'sandbox of a process that ended', 'sandbox of a pid that another has now'])(
    'takes what a crash left: %s',
    async (stage) => {
      const dataDir = aDataDir()
      await using driver = await openTestHost({ dataDir })
      const id = randomUUID()
      const owner = join(dataDir, 'pods', readdirSync(join(dataDir, 'pods'))[0]!) // Made by opening.
      const directory = podDirectory(owner, id)
      const stranger = spawn('sleep', ['1000'])
      onTestFinished(() => void stranger.kill('SIGKILL'))
      const now = identifyProcess(stranger.pid ?? 0)!
      if (stage !== '') mkdirSync(directory.path)
      if (stage.startsWith('record') || stage.startsWith('sandbox'))
        savePodRecord(directory, { version: 1, isSandboxed: true, baseEnvironment: {} })
      if (stage.startsWith('sandbox')) {
        const gone = stage.includes('ended') ? { ...now, pid: 2 ** 22 + 1 } : { ...now, startTime: '1' }
        saveSandboxRecord(directory, { version: 1, monitor: gone, init: gone })
      }
      expect(await driver.listPods(never)).toEqual(stage === '' ? [] : [id])
      expect(await driver.attachPod(id, never)).toBeUndefined()
      await driver.removePod(id, never)
      expect(await driver.listPods(never)).toEqual([])
      expect(stranger.exitCode ?? stranger.signalCode).toBeNull()
    },
  )
})

describe('an executor that is killed', () => {
  test('leaves a step running, which its successor follows without losing a line', async () => {
    const dataDir = aDataDir()
    const id = randomUUID()
    const lines = 3_000
    const executor = anExecutor(dataDir, 'numbers', id, String(lines))
    await begun(executor)
    await killed(executor)
    const driver = await openTestHost({ dataDir })
    const pod = await driver.attachPod(id, never)
    const step = await pod!.attach('numbers', 0, never)
    let text = ''
    for await (const chunk of step.output()) text += Buffer.from(chunk).toString()
    expect(text).toBe(Array.from({ length: lines }, (_, i) => `${i + 1}\n`).join(''))
    expect(await step.exit).toEqual({ kind: 'exited', code: 0 })
    await removeAll(driver)
    await driver[Symbol.asyncDispose]()
    await expectNothingLeft(dataDir, [id])
  })

  test('at any moment of making and removing pods leaves only what the next start removes', async () => {
    const dataDir = aDataDir()
    for (const ms of [0, 2, 4, 6, 8, 10, 13, 16, 20, 25, 30, 40]) {
      const executor = anExecutor(dataDir, 'pods')
      await begun(executor)
      await systemClock.sleep(ms)
      await killed(executor)
      const driver = await openTestHost({ dataDir })
      const ids = await driver.listPods(never)
      await removeAll(driver)
      await driver[Symbol.asyncDispose]()
      await expectNothingLeft(dataDir, ids)
    }
  }, 60_000)
})

describe('without sandbox, when that is allowed', () => {
  const open = (dataDir: string) => openTestHost({ dataDir, bubblewrap: '/nowhere/bwrap', allowUnsandboxed: true })

  test('tasks run with private directories, and the driver says that there is none', async () => {
    const dataDir = aDataDir()
    await using driver = await open(dataDir)
    expect(driver.facts.description).toContain('no sandbox')
    const pod = await create(driver)
    const { output } = await run(pod, {
      script: 'cd; pwd; stat -c %a .; echo "$TMPDIR"',
      workingDir: '~/project',
      createDirs: ['~/project'],
    })
    const [home, mode, temporaryDir] = output.split('\n')
    expect(home).toContain(pod.id)
    expect(mode).toBe('700')
    expect(temporaryDir).toContain(pod.id)
    await pod.remove(never)
  })

  test('removing a pod ends what left its session, and a restart in between changes nothing', async () => {
    const dataDir = aDataDir()
    const first = await open(dataDir)
    const pod = await create(first)
    const script = `
      (setsid sh -c '(echo ${dataDir} > /dev/null; exec sleep 1000) &' < /dev/null > /dev/null 2>&1 &)
      exec sleep 1000`
    await (await pod.start(aStep({ script }), never))[Symbol.asyncDispose]()
    await first[Symbol.asyncDispose]()
    await using second = await open(dataDir)
    const again = await second.attachPod(pod.id, never)
    expect((await run(again!, { script: 'echo "alive"' })).output).toBe('alive\n')
    expect(processesOf(pod.id).length).toBeGreaterThan(1)
    await second.removePod(pod.id, never)
    await expectNothingLeft(dataDir, [pod.id])
  })
})

function anExecutor(...args: readonly string[]): ChildProcess {
  const file = fileURLToPath(new URL('./test-host-process.ts', import.meta.url))
  return spawn(process.execPath, [file, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** Fails when the executor ends before: its message is on the test's own standard error. */
const begun = (executor: ChildProcess) =>
  new Promise((resolve, reject) => {
    executor.stdout?.once('data', resolve)
    executor.once('exit', (code) => reject(new Error(`the executor ended with ${code} before it began`)))
  })

function killed(executor: ChildProcess): Promise<void> {
  const exited = new Promise<void>((resolve) => executor.once('exit', () => resolve()))
  executor.kill('SIGKILL')
  return exited
}
