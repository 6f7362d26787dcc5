// What a task tries from inside of its sandbox, and must not reach. Each test would fail in an ordinary process.

import { execFileSync, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Driver, Pod } from '../../driver.ts'
import { aContainer, run as runStep } from '../driver-contract.ts'
import type { HostLimits } from './host-driver.ts'
import { makeDataDir, openTestHost } from './test-host.ts'

const never = new AbortController().signal
const isRoot = process.getuid?.() === 0

const dataDir = makeDataDir()
let driver: Driver
let pod: Pod

beforeAll(async () => {
  driver = await openTestHost({ dataDir: dataDir.path })
  pod = await createPod(driver)
})

afterAll(async () => {
  for (const id of await driver.listPods(never)) await driver.removePod(id, never)
  await driver[Symbol.asyncDispose]()
  dataDir.remove()
})

function createPod(on: Driver, container: Partial<Parameters<typeof aContainer>[0]> = {}): Promise<Pod> {
  const containers = [aContainer({ image: '', ...container })]
  const spec = { id: randomUUID(), containers, user: '', registryAuth: {}, pull: 'never' } as const
  return on.createPod(spec, { log: () => {}, signal: never })
}

/** What a script prints, both streams. */
async function run(script: string, on: Pod = pod): Promise<string> {
  return (await runStep(on, { script })).output
}

/** A driver with limits of its own, and a pod on it. */
async function aLimitedPod(limits: Partial<HostLimits>, dir = dataDir.path): Promise<Pod> {
  const limited = await openTestHost({ dataDir: dir, ownerId: randomUUID(), limits })
  const limitedPod = await createPod(limited)
  onTestFinished(async () => {
    await limitedPod.remove(never)
    await limited[Symbol.asyncDispose]()
  })
  return limitedPod
}

/** Directories of the pod on the host, found by its id. */
function directoryOf(which: Pod): string {
  const owners = readdirSync(join(dataDir.path, 'pods'))
  const found = owners.map((owner) => join(dataDir.path, 'pods', owner, which.id)).find((path) => existsSync(path))
  if (found === undefined) throw new Error('the pod has no directory')
  return found
}

describe('files', () => {
  test('the data directory is not there, whatever its permissions', async () => {
    chmodSync(dataDir.path, 0o755)
    writeFileSync(join(dataDir.path, 'secret'), 'of the executor', { mode: 0o644 })
    expect(await run(`cat ${dataDir.path}/secret; ls ${dataDir.path}; echo done`)).not.toMatch(/of the executor|pods/)
  })

  test('a data directory below a shown path is empty', async () => {
    const shown = makeDataDir()
    onTestFinished(shown.remove)
    const inside = join(shown.path, 'data')
    mkdirSync(inside)
    writeFileSync(join(inside, 'secret'), 'of the executor', { mode: 0o644 })
    writeFileSync(join(shown.path, 'tool'), 'a tool', { mode: 0o644 })
    chmodSync(shown.path, 0o755)
    await using other = await openTestHost({ dataDir: inside, readOnlyPaths: [shown.path] })
    const otherPod = await createPod(other)
    expect(
      await run(`cat ${shown.path}/tool; cat ${inside}/secret 2>&1; ls ${inside}; : > ${inside}/x`, otherPod),
    ).toMatch(/^a tool.*No such file[\s\S]*(Read-only|Permission denied)/)
    await otherPod.remove(never)
  })

  test('another task’s files cannot be reached by their path nor by their user', async () => {
    const other = await createPod(driver)
    await run('echo theirs > ~/secret; chmod 666 ~/secret; chmod 777 ~', other)
    const theirs = directoryOf(other)
    expect(readFileSync(join(theirs, 'home/secret'), 'utf8')).toBe('theirs\n')
    expect(await run(`cat ${theirs}/home/secret ~/secret /proc/*/root${theirs}/home/secret 2>&1; :`)).not.toContain(
      'theirs\n',
    )
    const userOf = (which: Pod) => String(execFileSync('stat', ['-c', '%u %a', join(directoryOf(which), 'tmp')])).trim()
    if (isRoot) expect(userOf(other)).not.toBe(userOf(pod))
    await other.remove(never)
  })

  test.each([
    '/etc/shadow',
    '/etc/shadow-',
    '/etc/gshadow',
    '/etc/sudoers',
    '/etc/ssh/ssh_host_rsa_key',
    '/etc/ssh/ssh_host_ed25519_key',
  ])('%s cannot be read', async (path) => {
    expect(await run(`cat ${path} 2> /dev/null; :`)).toBe('')
  })

  test.each(['/root', '/run/docker.sock', '/var/run/docker.sock', '/var/lib', '/sys', '/boot', '/srv', '/mnt'])(
    '%s is not there',
    async (path) => {
      expect(await run(`ls -A ${path} 2>&1`)).toContain('No such file')
    },
  )

  test('home directories of people are not there', async () => {
    expect(await run('ls -A /home')).toBe('slipway\n')
  })

  test.each(['/usr/x', '/etc/x', '/opt/x', '/x', '/dev/x', '/run/x', '/var/x', '/home/x', '/bin/sh', '/etc/passwd'])(
    '%s cannot be written',
    async (path) => {
      expect(await run(`(echo evil >> ${path}) 2>&1; echo $?`)).toMatch(/(Read-only|Permission denied)[\s\S]*[12]\n$/)
    },
  )
})

describe('sockets', () => {
  test('one below /run, open to everybody, cannot be connected to', async () => {
    const path = `${isRoot ? '/run' : '/tmp'}/slipway-test-${randomUUID()}.sock`
    const server = createServer((socket) => socket.end('reached'))
    await new Promise<void>((resolve) => server.listen(path, resolve))
    onTestFinished(() => void server.close())
    chmodSync(path, 0o777)
    const connect = `perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "refused"; print <$s>'`
    // In a process of its own, since this one has to answer.
    const outside = spawn('sh', ['-c', `${connect} ${path}`])
    const [answer] = await Promise.all([
      outside.stdout.toArray(),
      new Promise((resolve) => outside.once('exit', resolve)),
    ])
    expect(Buffer.concat(answer as Buffer[]).toString()).toBe('reached')
    expect(await run(`${connect} ${path}; ${connect} /var${path}`)).toMatch(/refused[\s\S]*refused/)
  })
})

describe('mounts', () => {
  test.each([
    'mount -o remount,rw /',
    'mount -o remount,rw,bind /usr',
    'mount -t tmpfs none /tmp',
    'mount --bind /tmp /home',
    'umount /etc/passwd',
    'unshare -Urm mount -o remount,rw,bind /usr',
    'unshare -Urm mount -o remount,rw /',
    'unshare -Urm umount /etc/passwd',
    'unshare -Urm umount -l /usr',
    'unshare -Urm sh -c "mount -o remount,rw,bind /usr && touch /usr/x"',
    'chroot / true',
    'pivot_root . .',
  ])('%s fails', async (command) => {
    expect(await run(`${command} > /dev/null 2>&1; echo $?`)).not.toBe('0\n')
  })
})

describe('processes', () => {
  test('none outside is seen', async () => {
    const outside = spawn('sleep', ['1000'])
    onTestFinished(() => void outside.kill('SIGKILL'))
    const seen = (await run('cat /proc/[0-9]*/comm')).trim().split('\n')
    expect(seen).toContain('sh')
    expect(seen).not.toContain('sleep')
    expect(seen.length).toBeLessThan(10)
  })

  test('none outside can be traced or signalled, nor the first one inside', async () => {
    const outside = spawn('sleep', ['1000'])
    onTestFinished(() => void outside.kill('SIGKILL'))
    // 101 is ptrace, 16 PTRACE_ATTACH.
    const attach = (pid: number) => `perl -e 'print syscall(101, 16, ${pid}, 0, 0), "\\n"'`
    if (process.arch === 'x64') expect(await run(`${attach(outside.pid ?? 0)}; ${attach(1)}`)).toBe('-1\n-1\n')
    expect(await run(`kill -9 ${outside.pid} 2>&1`)).toMatch(/No such process/)
    await run('kill -9 1; kill -TERM 1; kill -STOP 1')
    expect(outside.exitCode).toBeNull()
    expect(await run('echo alive')).toBe('alive\n')
  })

  test('kill -9 -1 ends nothing but the task’s own', async () => {
    const other = await createPod(driver)
    const { exit } = await runStep(other, { script: 'sleep 1000 & kill -9 -1; wait; exit 3' })
    expect(exit).toEqual({ kind: 'exited', code: 3 })
    expect(await run('echo alive', other)).toBe('alive\n')
    expect(await run('echo alive')).toBe('alive\n')
    await other.remove(never)
  })

  test('those that leave their session and their parents end with the pod', async () => {
    const other = await createPod(driver)
    const name = `outlive-${randomUUID()}`
    const stay = `exec -a ${name} sleep 1000`
    await runStep(other, {
      argv: ['/bin/bash'],
      script: `
        setsid bash -c '${stay}' < /dev/null > /dev/null 2>&1 &
        (setsid bash -c '(trap "" TERM HUP; ${stay}) &' < /dev/null > /dev/null 2>&1 &)
        env -i setsid -f bash -c '${stay}' < /dev/null > /dev/null 2>&1
        until test "$(grep -lz '^${name}' /proc/[0-9]*/cmdline 2> /dev/null | wc -l)" = 3; do sleep 0.01; done`,
    })
    expect(processesNamed(name)).toBe(3)
    await other.remove(never)
    expect(processesNamed(name)).toBe(0)
  })

  test('the first one inside keeps its descriptors, memory and environment to itself', async () => {
    expect(
      await run('ls -A /proc/1/fd 2>&1; cat /proc/1/environ 2>&1; head -c 1 /proc/1/mem 2>&1; ls /proc/1/cwd/ 2>&1'),
    ).toMatch(/^(.*(Permission denied)\n){4}$/)
    expect(await run('ls -l /proc/self/fd')).not.toContain(dataDir.path)
  })

  test('none can take more rights, not even through a setuid program of root', async () => {
    expect(await run('grep -E "^(NoNewPrivs|CapEff|CapPrm|CapAmb)" /proc/self/status')).toMatch(
      /^CapPrm:\t0+\nCapEff:\t0+\nCapAmb:\t0+\nNoNewPrivs:\t1\n$/,
    )
    if (!isRoot) return
    const tool = join(directoryOf(pod), 'home/tool')
    copyFileSync('/usr/bin/id', tool)
    chownSync(tool, 0, 0)
    chmodSync(tool, 0o4755)
    expect(await run('~/tool -u')).toBe('1000\n')
  })
})

describe('the machine', () => {
  test('its name cannot be changed', async () => {
    expect(await run('hostname; hostname evil 2>/dev/null; echo evil > /proc/sys/kernel/hostname; hostname')).toMatch(
      /^slipway\n[\s\S]*slipway\n$/,
    )
  })

  test.each([
    '/proc/sys/kernel/core_pattern',
    '/proc/sys/vm/drop_caches',
    '/proc/self/uid_map',
    '/proc/1/oom_score_adj',
  ])('its setting %s cannot be changed', async (path) => {
    expect(await run(`(echo 1 > ${path}) 2>&1; echo $?`)).toMatch(
      /(Read-only|not permitted|denied|I\/O error)[\s\S]*[12]\n$/,
    )
  })

  test('the environment of the executor is not in that of a step, nor anywhere in /proc', async () => {
    const secret = `secret-${randomUUID()}`
    process.env.SLIPWAY_TEST_SECRET = secret
    onTestFinished(() => void delete process.env.SLIPWAY_TEST_SECRET)
    const other = await createPod(driver)
    expect(await run('env; cat /proc/[0-9]*/environ', other)).not.toContain(secret)
    expect(await run('echo "$HOME $USER $LANG $TMPDIR"', other)).toBe('/home/slipway slipway C.UTF-8 /tmp\n')
    await other.remove(never)
  })
})

describe('limits', () => {
  test('a fork bomb is bounded and can be killed', async () => {
    const limited = await aLimitedPod({ processesMax: 40 })
    const bomb =
      'for (1..200) { $p = fork; die "stopped after $_\\n" unless defined $p; unless ($p) { sleep 1000; exit } }'
    const command = { script: `exec perl -e '${bomb}' 2>&1`, id: randomUUID() }
    const { output } = await runStep(limited, command)
    const made = Number(/^stopped after (\d+)$/m.exec(output)?.[1])
    expect(made).toBeGreaterThan(5)
    expect(made).toBeLessThanOrEqual(40)
    await (await limited.attach(command.id, 0, never)).kill()
    expect(await run('echo alive', limited)).toBe('alive\n')
  })

  test('a file cannot be larger than its limit', async () => {
    const limited = await aLimitedPod({ fileBytesMax: 1024 * 1024 })
    const { exit } = await runStep(limited, { script: 'exec head -c 2000000 /dev/zero > ~/large' })
    expect(exit).toEqual({ kind: 'signaled', signal: 'SIGXFSZ' })
    expect(await run('stat -c %s ~/large', limited)).toBe('1048576\n')
  })

  test('a process cannot open more files than its limit', async () => {
    const limited = await aLimitedPod({ openFilesMax: 32 })
    expect(await run('ulimit -n; ulimit -n 64 2>&1', limited)).toMatch(/^32\n.*(not permitted|error)/i)
  })

  test.runIf(isRoot)('a task that takes more memory is out of memory, and the pod goes on', async () => {
    const limited = await aLimitedPod({ memoryBytesMax: 64 * 1024 * 1024 })
    const { exit } = await runStep(limited, { script: `perl -e 'my $x = "x" x 300_000_000; print length $x'` })
    expect(exit).toEqual({ kind: 'out_of_memory' })
    expect((await runStep(limited, { script: 'exit 3' })).exit).toEqual({ kind: 'exited', code: 3 })
  })

  test.runIf(isRoot)('a task that fills the disk is stopped with the reason, and others go on', async () => {
    const disk = makeDataDir()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'none', disk.path])
    onTestFinished(() => {
      execFileSync('umount', ['-l', disk.path])
      disk.remove()
    })
    await using onDisk = await openTestHost({ dataDir: disk.path })
    const [greedy, modest] = [await createPod(onDisk), await createPod(onDisk)]
    await run('echo kept > ~/kept', modest)
    // Stays below the end of the disk: the watch has to act, not the file system.
    const { exit } = await runStep(greedy, { script: 'head -c 63000000 /dev/zero > ~/large; sleep 1000' })
    expect(exit).toEqual({
      kind: 'lost',
      message: expect.stringMatching(/disk of the executor is nearly full.*% free/),
    })
    const again = await onDisk.attachPod(greedy.id, never)
    expect(again).toBeUndefined()
    await greedy.remove(never)
    expect(await run('cat ~/kept', modest)).toBe('kept\n')
    await modest.remove(never)
  })
})

function processesNamed(name: string): number {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(`${name}\0`)
    } catch {
      return false
    }
  }).length
}
