import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../lib/clock.ts'
import { identifyProcess, killProcess } from '../../../lib/process-identity.ts'
import { until } from '../../../lib/until-fixture.ts'
import { findHelperBinary, hostArch } from '../../helper/helper-binary.ts'
import { Spawner, type Spawning } from './spawner.ts'

/** In place of bubblewrap: tells of a process, waits for its user namespace, and becomes what listens. */
const sandbox = `sleep 1000 <&- >&- 2>&- 3>&- 4<&- &
  printf '{ "child-pid": %d }' $! >&3
  test "$(head -c 1 <&4)" = . || { kill $!; exit 7; }
  echo ready; exec >&- 4<&-; wait`

async function aSpawner(): Promise<{ readonly spawner: Spawner; readonly dir: string }> {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-spawner-'))
  const spawner = new Spawner((await findHelperBinary(hostArch())).path, systemClock)
  onTestFinished(async () => {
    await spawner[Symbol.asyncDispose]()
    rmSync(dir, { recursive: true, force: true })
  })
  return { spawner, dir }
}

function start(
  { spawner, dir }: { readonly spawner: Spawner; readonly dir: string },
  script = sandbox,
  { tasks = [] as readonly string[], program = '/bin/sh' } = {},
): Spawning {
  const files = { errors: join(dir, 'errors'), privateDir: dir }
  return spawner.start({ argv: [program, '-c', script], ...files, tasks })
}

/** The processes of one that became ready, to be killed at the end of the test. */
async function ready(spawning: Spawning): Promise<readonly number[]> {
  const { monitor, init } = await spawning.created
  const processes = [monitor, init].map((pid) => identifyProcess(pid)!)
  onTestFinished(() => processes.forEach(killProcess))
  spawning.release()
  await spawning.ready
  return [monitor, init]
}

const parentOf = (pid: number) => Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])

const isRunning = (pid: number) => identifyProcess(pid) !== undefined

test('a sandbox tells its processes, waits to be released, and is ready then', async () => {
  const place = await aSpawner()
  const spawning = start(place)
  const { monitor, init } = await spawning.created
  expect([monitor, init].map(isRunning)).toEqual([true, true])
  await ready(spawning)
})

test('many can be started at once', async () => {
  const { spawner, dir } = await aSpawner()
  const all = await Promise.all(
    Array.from({ length: 20 }, async () => ready(start({ spawner, dir: mkdtempSync(join(dir, 'pod-')) }))),
  )
  expect(new Set(all.flat()).size).toBe(40)
})

test('one that is forgotten before it is released ends', async () => {
  const spawning = start(await aSpawner())
  await spawning.created
  spawning.forget()
  expect(await spawning.ended).toBe('status 7')
})

test.each([
  ['ends early', 'exit 3', {}, /^status 3$/],
  ['is killed', 'kill -9 $$', {}, /^SIGKILL$/],
  ['is not there', '', { program: '/nowhere/bwrap' }, /no such file/],
  ['has no control group', '', { tasks: ['/nowhere/tasks'] }, /nowhere\/tasks: no such file/],
])('one that %s says how it ended', async (_, script, options, expected) => {
  expect(await start(await aSpawner(), script, options).ended).toMatch(expected)
})

test('one has a session of its own, no environment, and only its descriptors', async () => {
  const place = await aSpawner()
  const script = 'cut -d " " -f 6 /proc/$$/stat; echo $$; tr "\\0" "\\n" < /proc/$$/environ; ls /proc/$$/fd'
  await start(place, `(${script}) >&2`).ended
  const [session, pid, ...rest] = readFileSync(join(place.dir, 'errors'), 'utf8').trim().split('\n')
  expect(session).toBe(pid)
  // Descriptors of the shell itself have numbers from 10.
  expect(rest.filter((line) => !/^\d\d/.test(line))).toEqual(['0', '1', '2', '3', '4', '5'])
})

test('what it started goes on when it is killed, and the next one is started by another', async () => {
  const place = await aSpawner()
  const [monitor, init] = (await ready(start(place))) as [number, number]
  const waiting = start(place, 'echo $$ >&2; exec sleep 1000')
  const said = () => readFileSync(join(place.dir, 'errors'), 'utf8').trim()
  await until(() => said() !== '')
  process.kill(parentOf(monitor), 'SIGKILL')
  expect(await waiting.ended).toBe('the process that starts sandboxes has ended')
  expect([monitor, init].map(isRunning)).toEqual([true, true])
  await ready(start(place))
  process.kill(Number(said()), 'SIGKILL')
})

test('it leaves no zombies, and ends with its disposal', async () => {
  const place = await aSpawner()
  const [monitor, init] = (await ready(start(place))) as [number, number]
  const spawner = parentOf(monitor)
  process.kill(init, 'SIGKILL')
  await until(() => !existsSync(`/proc/${monitor}`))
  await place.spawner[Symbol.asyncDispose]()
  await until(() => !isRunning(spawner))
})
