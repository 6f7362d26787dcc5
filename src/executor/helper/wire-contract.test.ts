// The contract between executor and helper: the real program behind both ways to reach it, a process for each request (as
// by `docker exec`) and the socket of init (as in a sandbox).

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs'
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../../lib/until-fixture.ts'
import type { Pod, StepCommand, StepExit } from '../driver.ts'
import { createHelperPod, type HelperPodOptions } from './client.ts'
import { findHelperBinary, hostArch } from './helper-binary.ts'
import { commandTransport, connectionOfStreams, type HelperTransport, socketTransport } from './transport.ts'
import { decodeFrames, encodeRequest, type Frame, type HelperRequest } from './wire.ts'

const never = new AbortController().signal
const isRoot = userInfo().uid === 0
const limits = { sizeBytesMax: 1_000_000_000, entriesMax: 100_000 }
const { path: helper } = await findHelperBinary(hostArch())

let root = ''
let count = 0
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'slipway-helper-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

/** A helper reached in one of the two ways. */
type Reached = { readonly transport: HelperTransport; readonly dir: string } & AsyncDisposable

const ways: readonly (readonly [string, (flags?: readonly string[]) => Promise<Reached>])[] = [
  ['a process for each request', openByProcess],
  ['the socket of init', openByInit],
]

async function openByProcess(): Promise<Reached> {
  const dir = await mkdtemp(join(root, 'pod-'))
  return { dir, transport: commandTransport([helper, 'request']), async [Symbol.asyncDispose]() {} }
}

async function openByInit(flags: readonly string[] = []): Promise<Reached & { readonly init: ChildProcess }> {
  const dir = await mkdtemp(join(root, 'pod-'))
  const fd = openSync(dir, 'r')
  const init = spawn(helper, ['init', '--dir-fd', '3', ...flags], { stdio: ['ignore', 'ignore', 'inherit', fd] })
  closeSync(fd)
  await until(() => existsSync(join(dir, 's')))
  return {
    dir,
    init,
    transport: socketTransport(join(dir, 's')),
    async [Symbol.asyncDispose]() {
      init.kill('SIGTERM')
      await ended(init)
    },
  }
}

function aPod(reached: Reached, options: Partial<HelperPodOptions> = {}): Pod {
  return createHelperPod({
    id: 'pod',
    transport: reached.transport,
    dir: reached.dir,
    user: '',
    inheritEnvironment: false,
    // Scripts of steps that lose their supervisor stay behind: they are removed with the rest.
    baseEnvironment: { PATH: '/usr/local/bin:/usr/bin:/bin', TMPDIR: root },
    enterCommand: '',
    remove: async () => {},
    ...options,
  })
}

function aCommand(script: string | undefined, more: Partial<StepCommand> = {}): StepCommand {
  return {
    id: `step-${count++}`,
    argv: script === undefined ? ['/bin/sh'] : ['/bin/sh', '-e'],
    ...(script === undefined ? {} : { script }),
    environment: {},
    workingDir: root,
    createDirs: [],
    tty: false,
    ...more,
  }
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(chunk)
  return Buffer.concat(chunks)
}

type Outcome = { readonly exit: StepExit; readonly output: string }

async function execute(pod: Pod, script: string | undefined, more: Partial<StepCommand> = {}): Promise<Outcome> {
  await using step = await pod.start(aCommand(script, more), never)
  const output = await collect(step.output())
  return { exit: await step.exit, output: output.toString('latin1') }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve()
    else child.once('exit', () => resolve())
  })
}

function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

const success: StepExit = { kind: 'exited', code: 0 }

describe.each(ways)('a step, reached by %s,', (_way, open) => {
  test('ends with the code of its main process, and its output is complete', async () => {
    await using reached = await open()
    const pod = aPod(reached)
    expect(await execute(pod, 'echo out; echo err >&2; echo more; exit 7')).toEqual({
      exit: { kind: 'exited', code: 7 },
      output: 'out\nerr\nmore\n',
    })
    expect((await execute(pod, 'kill -9 $$')).exit).toEqual({ kind: 'signaled', signal: 'SIGKILL' })
  })

  test('gets its environment, complete and once, and a directory made for it', async () => {
    await using reached = await open()
    const pod = aPod(reached, { baseEnvironment: { PATH: '/usr/bin:/bin', LEVEL: 'base', HOME: join(root, 'home') } })
    const { output } = await execute(pod, 'pwd; env', {
      environment: { LEVEL: 'step', ODD: 'a\nb="c"' },
      workingDir: '~/deep/er',
      createDirs: ['~/deep/er'],
    })
    const lines = output.split('\n')
    expect(lines[0]).toBe(join(root, 'home/deep/er'))
    expect(lines.filter((line) => line.startsWith('LEVEL='))).toEqual(['LEVEL=step'])
    expect(output).toContain('ODD=a\nb="c"\n')
    expect(lines).toContain(`USER=${userInfo().username}`)
    expect((await stat(join(root, 'home/deep/er'))).mode & 0o777).toBe(0o755)
  })

  test.each([
    ['a missing working directory', { workingDir: '/nowhere/at/all' }, /working directory "\/nowhere\/at\/all"/],
    ['a missing program', { argv: ['no-such-shell'] }, /no executable "no-such-shell" in PATH/],
    ['an unknown user of the home', { workingDir: '~someone/x' }, /cannot expand "~someone\/x"/],
    ['a program that is a directory', { argv: ['/usr'] }, /"\/usr": it is not an executable file/],
  ] as const)('is refused for %s', async (_what, more, message) => {
    await using reached = await open()
    const { exit, output } = await execute(aPod(reached), 'echo never', more)
    expect(exit).toMatchObject({ kind: 'refused', message: expect.stringMatching(message) })
    expect(output).toBe('')
  })

  test('is refused for a user that does not exist', async () => {
    await using reached = await open()
    const { exit } = await execute(aPod(reached, { user: 'nobody-of-that-name' }), 'true')
    expect(exit).toMatchObject({ kind: 'refused', message: expect.stringContaining('no user "nobody-of-that-name"') })
  })

  test.runIf(isRoot)('runs as the user asked for, who owns what is made for it', async () => {
    await using reached = await open()
    const home = join(root, `home-${count++}`)
    await mkdir(home, { mode: 0o777 })
    await chmod(root, 0o755)
    await chmod(home, 0o777)
    const pod = aPod(reached, { user: 'nobody', baseEnvironment: { PATH: '/usr/bin:/bin', HOME: home } })
    const { exit, output } = await execute(pod, 'id -u; stat -c "%U %a" "$0"; stat -c %U .; echo $USER', {
      workingDir: '~/made/here',
      createDirs: ['~/made/here'],
    })
    expect(exit).toEqual(success)
    expect(output).toBe('65534\nnobody 600\nnobody\nnobody\n')
    expect((await stat(join(home, 'made'))).uid).toBe(65534)
    const withGroup = await execute(aPod(reached, { user: '1234:4321' }), 'id -u; id -G', { workingDir: '/' })
    expect(withGroup.output).toBe('1234\n4321\n')
    const forbidden = await execute(pod, 'cat /etc/shadow', { workingDir: '/' })
    expect(forbidden.exit).toEqual({ kind: 'exited', code: 1 })
    const refused = await execute(pod, 'true', { workingDir: '/root/x', createDirs: ['/root/x'] })
    expect(refused.exit).toMatchObject({ kind: 'refused', message: expect.stringContaining('permission denied') })
  })

  test('leaves no script behind', async () => {
    await using reached = await open()
    const { output } = await execute(aPod(reached), 'stat -c %a "$0"; echo "$0"')
    const [mode, path] = output.split('\n')
    expect(mode).toBe('600')
    expect(existsSync(path!)).toBe(false)
  })

  test('with a terminal has a window and a type, and its lines end with a carriage return', async () => {
    await using reached = await open()
    const { exit, output } = await execute(
      aPod(reached),
      'test -t 0 && test -t 1; stty size; echo $TERM; tty <&1 | wc -l',
      {
        tty: true,
      },
    )
    expect(exit).toEqual(success)
    expect(output).toBe('24 80\r\nxterm-256color\r\n1\r\n')
  })

  test('that reads its input gets the end of it, with a terminal and without, as often as it reads', async () => {
    await using reached = await open()
    const script = 'cat; read line || echo end1; cat; read line || echo end2'
    const pod = aPod(reached)
    expect((await execute(pod, script)).output).toBe('end1\nend2\n')
    expect((await execute(pod, script, { tty: true })).output).toBe('end1\r\nend2\r\n')
  })

  test('that closes its output goes on, and ends when its main process ends', async () => {
    await using reached = await open()
    const file = join(root, `closed-${count++}`)
    for (const tty of [false, true]) {
      const { exit, output } = await execute(
        aPod(reached),
        `echo first; exec >&- 2>&- </dev/null; sleep 0.1; echo done > ${file}; exit 3`,
        { tty },
      )
      expect(exit).toEqual({ kind: 'exited', code: 3 })
      expect(output.trim()).toBe('first')
      expect(await readFile(file, 'utf8')).toBe('done\n')
    }
  })

  test('ends while a daemon it forked holds its output; kill reaches the daemon, also by another name and session', async () => {
    await using reached = await open()
    const pod = aPod(reached)
    const file = join(root, `daemon-${count++}`)
    const command = aCommand(`setsid sh -c '(sleep 60 & echo $! > ${file}; wait) &'
      until test -s ${file}; do sleep 0.01; done; echo main`)
    await using step = await pod.start(command, never)
    expect((await collect(step.output())).toString()).toBe('main\n')
    expect(await step.exit).toEqual(success)
    const daemon = Number(await readFile(file, 'utf8'))
    expect(isAlive(daemon)).toBe(true)
    await step.kill()
    expect(isAlive(daemon)).toBe(false)
    await step.kill()
  })

  test('that ignores SIGTERM dies with everything it started', async () => {
    await using reached = await open()
    const file = join(root, `stubborn-${count++}`)
    await using step = await aPod(reached).start(
      aCommand(`trap '' TERM HUP INT; setsid sleep 61 & echo $! > ${file}; echo ready; while :; do sleep 0.05; done`),
      never,
    )
    const output: string[] = []
    for await (const chunk of step.output()) {
      output.push(Buffer.from(chunk).toString())
      if (output.join('').includes('ready')) await step.kill()
    }
    expect(await step.exit).toEqual({ kind: 'signaled', signal: 'SIGKILL' })
    expect(isAlive(Number(await readFile(file, 'utf8')))).toBe(false)
  })

  test('that prints bytes which are no text, or 100 MB without a newline, loses none', async () => {
    await using reached = await open()
    const pod = aPod(reached)
    expect((await execute(pod, "printf '\\377\\000\\200x'")).output).toBe('\xff\0\x80x')
    await using step = await pod.start(aCommand('head -c 100000000 /dev/zero'), never)
    let bytes = 0
    for await (const chunk of step.output()) bytes += chunk.length
    expect(bytes).toBe(100_000_000)
  })

  test('output written just before the end by a process that nobody waits for still arrives', async () => {
    await using reached = await open()
    const { output } = await execute(aPod(reached), '(sleep 0.05; echo late) & echo early')
    expect(output).toBe('early\nlate\n')
  })

  test('started twice runs once, and is followed from any offset as often as asked', async () => {
    await using reached = await open()
    const pod = aPod(reached)
    const file = join(root, `once-${count++}`)
    const command = aCommand(`echo ran >> ${file}; echo 0123456789`)
    await using first = await pod.start(command, never)
    await using second = await pod.start(command, never)
    expect((await collect(second.output())).toString()).toBe('0123456789\n')
    expect((await collect(first.output())).toString()).toBe('0123456789\n')
    expect((await collect(first.output())).toString()).toBe('0123456789\n')
    await using attached = await pod.attach(command.id, 4, never)
    expect((await collect(attached.output())).toString()).toBe('456789\n')
    expect(await attached.exit).toEqual(success)
    expect(await readFile(file, 'utf8')).toBe('ran\n')
  })

  test('started by many at once runs once', async () => {
    await using reached = await open()
    const pod = aPod(reached)
    const command = aCommand('echo $$; sleep 0.05')
    const outputs = await Promise.all(
      Array.from({ length: 5 }, async () => {
        await using step = await pod.start(command, never)
        return (await collect(step.output())).toString()
      }),
    )
    expect(outputs[0]).toMatch(/^\d+\n$/)
    expect(new Set(outputs).size).toBe(1)
  })

  test('takes an orphan with it that has left its session and its environment', async () => {
    await using reached = await open()
    const file = join(root, `orphan-${count++}`)
    const script = `setsid env -i PATH="$PATH" sh -c 'sleep 63 & echo $! > ${file}' &
      until test -s ${file}; do sleep 0.01; done; echo ready; sleep 64`
    await using step = await aPod(reached).start(aCommand(script), never)
    for await (const _ of step.output()) await step.kill()
    expect(await step.exit).toEqual({ kind: 'signaled', signal: 'SIGKILL' })
    expect(isAlive(Number(await readFile(file, 'utf8')))).toBe(false)
  })

  test('is started although the first connections fail', async () => {
    await using reached = await open()
    let attempts = 0
    const transport: HelperTransport = {
      async open(signal) {
        if (attempts++ < 2) throw new Error('busy')
        return reached.transport.open(signal)
      },
    }
    expect((await execute(aPod({ ...reached, transport }), 'echo here')).output).toBe('here\n')
  })

  test('that was never started cannot be attached to', async () => {
    await using reached = await open()
    await expect(aPod(reached).attach('unknown', 0, never)).rejects.toMatchObject({ code: 'pod_gone' })
  })

  test('is slowed at the limit of its spool and goes on when output is released, which gives the space back', async () => {
    await using reached = await open()
    const pod = aPod(reached, { spoolBytesMax: 8_000_000 })
    const command = aCommand('head -c 40000000 /dev/zero')
    await using step = await pod.start(command, never)
    const spool = join(reached.dir, command.id, 'out')
    await until(() => existsSync(spool) && readSize(spool) > 8_000_000)
    await delay(50)
    expect(readSize(spool)).toBeLessThan(10_000_000)
    let bytes = 0
    for await (const chunk of step.output()) {
      bytes += chunk.length
      step.release(bytes)
    }
    expect(bytes).toBe(40_000_000)
    expect(await step.exit).toEqual(success)
    expect((await stat(spool)).blocks * 512).toBeLessThan(30_000_000)
  })

  test('can be killed while it is slowed', async () => {
    await using reached = await open()
    const command = aCommand('cat /dev/zero')
    await using step = await aPod(reached, { spoolBytesMax: 1_000_000 }).start(command, never)
    await until(() => readSize(join(reached.dir, command.id, 'out')) > 1_000_000)
    await step.kill()
    await collect(step.output())
    expect(await step.exit).toEqual({ kind: 'signaled', signal: 'SIGKILL' })
  })

  test('let go of by an abort goes on in the pod', async () => {
    await using reached = await open()
    const pod = aPod(reached)
    const abort = new AbortController()
    const command = aCommand('echo one; sleep 0.2; echo two')
    await using step = await pod.start(command, abort.signal)
    const reading = collect(step.output())
    abort.abort(new Error('shutdown'))
    await expect(reading).rejects.toThrow('shutdown')
    await expect(step.exit).rejects.toThrow('shutdown')
    await using again = await pod.attach(command.id, 0, never)
    expect((await collect(again.output())).toString()).toBe('one\ntwo\n')
  })

  test('whose connections are cut again and again arrives once, in order', async () => {
    await using reached = await open()
    let cuts = 0
    const fragile: HelperTransport = {
      async open(signal) {
        const connection = await reached.transport.open(signal)
        async function* cutting(): AsyncGenerator<Uint8Array> {
          let left = 300_000
          for await (const chunk of connection.output) {
            yield chunk.subarray(0, left)
            left -= chunk.length
            if (left <= 0) {
              cuts++
              return connection.close()
            }
          }
        }
        return { send: connection.send, output: cutting(), close: connection.close }
      },
    }
    const { exit, output } = await execute(aPod({ ...reached, transport: fragile }), 'seq 1 200000')
    expect(exit).toEqual(success)
    expect(output).toBe(`${Array.from({ length: 200_000 }, (_, i) => i + 1).join('\n')}\n`)
    expect(cuts).toBeGreaterThan(3)
  })
})

function readSize(path: string): number {
  const result = spawnSync('stat', ['-c', '%s', path], { encoding: 'utf8' })
  return Number(result.stdout)
}

describe('a process for each request', () => {
  test('may be killed in the middle of output: the step goes on, and each line arrives once', async () => {
    await using reached = await openByProcess()
    const children: ChildProcess[] = []
    const transport: HelperTransport = {
      async open() {
        const child = spawn(helper, ['request'], { stdio: ['pipe', 'pipe', 'inherit'] })
        children.push(child)
        return connectionOfStreams(child.stdout!, child.stdin!, () => child.kill('SIGKILL'))
      },
    }
    // It goes on for longer than the client waits between its tries: the last one killed has not told of the end.
    const command = aCommand('i=0; while test $i -lt 2000; do echo line $i; i=$((i+1)); done; sleep 2; echo end')
    await using step = await aPod({ ...reached, transport }).start(command, never)
    let output = ''
    let kills = 0
    for await (const chunk of step.output()) {
      output += Buffer.from(chunk).toString()
      const child = children.at(-1)!
      // What a killed one had sent before still arrives.
      if (kills < 3 && !child.killed && output.length > 4_000 * kills) {
        child.kill('SIGKILL')
        kills++
      }
    }
    expect(await step.exit).toEqual(success)
    expect(output).toBe(`${Array.from({ length: 2_000 }, (_, i) => `line ${i}`).join('\n')}\nend\n`)
    expect(kills).toBeGreaterThan(0)
    expect(children.length).toBeGreaterThan(kills)
  })

  test('leaves the step lost when its supervisor is killed', async () => {
    await using reached = await openByProcess()
    const command = aCommand('echo $PPID; exec sleep 62')
    await using step = await aPod(reached).start(command, never)
    for await (const chunk of step.output()) process.kill(Number(Buffer.from(chunk).toString()), 'SIGKILL')
    expect(await step.exit).toMatchObject({ kind: 'lost', message: expect.stringContaining('supervisor') })
    await step.kill()
  })
})

describe('init', () => {
  test('on its own streams answers one request after another; a step killed before it began dies at once', async () => {
    const dir = await mkdtemp(join(root, 'pod-'))
    const init = spawn(helper, ['init', '--line'], { stdio: ['pipe', 'pipe', 'inherit'] })
    const { send, output } = connectionOfStreams(init.stdout, init.stdin, () => init.kill())
    const frames = decodeFrames(output)
    const ask = async (request: object): Promise<string[]> => {
      const common = { v: 1, dir, user: '', inherit: true, environment: {}, workingDir: root } as const
      await send(encodeRequest({ ...common, ...request } as HelperRequest))
      const answers: string[] = []
      for (;;) {
        const frame = (await frames.next()).value as Frame
        answers.push(frame.type + (frame.type === 'O' ? Buffer.from(frame.bytes).toString() : frame.text))
        if (frame.type === 'S' || frame.type === 'X') return answers
      }
    }
    const run = { verb: 'run', argv: ['/bin/sh', '-c', 'echo $0; exec sleep 0.01'], tty: false, offset: 0 }
    const ended0 = 'S{"exit":{"kind":"exited","code":0}}'
    expect(await ask({ ...run, step: 'a' })).toEqual(['H', 'O/bin/sh\n', ended0])
    expect(await ask({ verb: 'follow', step: 'none', offset: 0 })).toEqual([expect.stringMatching(/^X.*no_step/)])
    expect(await ask({ verb: 'follow', step: 'a', offset: 5 })).toEqual(['H', 'Osh\n', ended0])
    await mkdir(join(dir, 'k'))
    await writeFile(join(dir, 'k/killed'), '')
    const argv = ['/bin/sleep', '65']
    expect((await ask({ ...run, argv, step: 'k' })).at(-1)).toBe('S{"exit":{"kind":"signaled","signal":"SIGKILL"}}')
    init.kill()
    await ended(init)
  })

  test('ends at once on SIGTERM and SIGINT, also while a step runs', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      await using reached = await openByInit()
      await using step = await aPod(reached).start(aCommand('sleep 0.2'), never)
      reached.init.kill(signal)
      await ended(reached.init)
      expect(reached.init.exitCode).toBe(0)
      expect(await execute(aPod(reached), 'true').catch((error) => error.code)).toBe('pod_gone')
      void step
    }
  })

  test('gives steps its limits, and neither its descriptors nor its environment', async () => {
    await using reached = await openByInit(['--nofile', '77', '--fsize', '1048576'])
    const { output, exit } = await execute(
      aPod(reached),
      'ulimit -n; ls /proc/self/fd | wc -l; env | grep -c SLIPWAY; head -c 2000000 /dev/zero > "$HOME/large" || echo stopped',
      { environment: { HOME: root } },
    )
    expect(exit).toEqual(success)
    // 0, 1, 2 and that of ls itself.
    expect(output).toContain('77\n4\n1\n')
    expect(readSize(join(root, 'large'))).toBe(1_048_576)
  })

  test('that has ended makes its steps lost and says so once', async () => {
    const reached = await openByInit()
    const lost: string[] = []
    const pod = aPod(reached, { onLost: (error) => lost.push(error.code) })
    await using step = await pod.start(aCommand('echo begun; sleep 0.3'), never)
    for await (const _ of step.output()) await reached[Symbol.asyncDispose]()
    expect(await step.exit).toMatchObject({ kind: 'lost' })
    await expect(pod.attach('any', 0, never)).rejects.toMatchObject({ code: 'pod_gone' })
    expect(lost).toEqual(['pod_gone'])
  })

  test('is reached in a directory with a long path', async () => {
    const before = root
    root = join(before, 'long'.repeat(40))
    await mkdir(root)
    try {
      await using reached = await openByInit()
      expect((await execute(aPod(reached), 'echo here')).output).toBe('here\n')
    } finally {
      root = before
    }
  })
})

describe.each(ways)('files, reached by %s,', (_way, open) => {
  const archiveOf = async (pod: Pod, sourceDir: string, paths: readonly string[], more: object = {}) => {
    const notes: string[] = []
    const request = {
      contents: [{ sourceDir, destDir: '', paths }],
      workingDir: root,
      environment: {},
      limits,
      note: (line: string) => notes.push(line),
      ...more,
    }
    return { tar: await collect(pod.archive(request, never)), notes }
  }
  const unpack = (pod: Pod, destDir: string, tar: Uint8Array, existing: 'refuse' | 'overwrite' | 'empty' = 'refuse') =>
    pod.unarchive({ destDir, workingDir: root, environment: {}, existing, limits }, once(tar), never)

  test('keep content, mode, time, links and odd names through archive and unarchive', async () => {
    await using reached = await open()
    const pod = aPod(reached)
    const source = join(root, `source-${count++}`)
    await mkdir(join(source, 'sub/deep'), { recursive: true })
    await writeFile(join(source, 'sub/new\nline'), 'odd')
    await writeFile(join(source, 'sub/large'), Buffer.alloc(3_000_000, 'x'))
    await writeFile(join(source, 'empty'), '')
    await writeFile(join(source, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 })
    await utimes(join(source, 'run.sh'), 1_600_000_000.5, 1_600_000_000.5)
    await link(join(source, 'run.sh'), join(source, 'sub/same'))
    await symlink('../nowhere', join(source, 'sub/dangling'))
    await chmod(join(source, 'sub/deep'), 0o555)
    const server = createServer().listen(join(source, 'socket'))
    spawnSync('mkfifo', [join(source, 'pipe')])
    const { tar, notes } = await archiveOf(pod, source, ['**'])
    server.close()
    expect(notes).toEqual([
      expect.stringMatching(/pipe" is left out: a FIFO/),
      expect.stringMatching(/socket" is left out/),
    ])

    const target = join(root, `target-${count++}`)
    await unpack(pod, target, tar)
    expect(await readFile(join(target, 'sub/new\nline'), 'utf8')).toBe('odd')
    expect((await readFile(join(target, 'sub/large'))).equals(Buffer.alloc(3_000_000, 'x'))).toBe(true)
    expect(await readlink(join(target, 'sub/dangling'))).toBe('../nowhere')
    const script = await lstat(join(target, 'run.sh'))
    expect(script.mode & 0o7777).toBe(0o755)
    expect(script.mtimeMs).toBe(1_600_000_000_500)
    expect(script.ino).toBe((await lstat(join(target, 'sub/same'))).ino)
    expect((await lstat(join(target, 'sub/deep'))).mode & 0o7777).toBe(0o555)
    expect(existsSync(join(target, 'pipe'))).toBe(false)
  })

  test('that are there: refused, replaced, or wanted absent', async () => {
    await using reached = await open()
    const pod = aPod(reached)
    const source = join(root, `source-${count++}`)
    const target = join(root, `target-${count++}`)
    await mkdir(join(source, 'dir'), { recursive: true })
    await mkdir(join(target, 'dir'), { recursive: true })
    await writeFile(join(source, 'dir/file'), 'new')
    await writeFile(join(target, 'dir/file'), 'old')
    await writeFile(join(target, 'dir/other'), 'kept')
    const { tar } = await archiveOf(pod, source, ['**'])
    await expect(unpack(pod, target, tar)).rejects.toMatchObject({
      code: 'helper_failed',
      message: expect.stringContaining('file already exists: "dir/file"'),
    })
    await expect(unpack(pod, target, tar, 'empty')).rejects.toThrow('is not empty')
    await unpack(pod, target, tar, 'overwrite')
    expect(await readFile(join(target, 'dir/file'), 'utf8')).toBe('new')
    expect(await readFile(join(target, 'dir/other'), 'utf8')).toBe('kept')
  })

  test('never leave through a symlink that is in the destination', async () => {
    await using reached = await open()
    const pod = aPod(reached)
    const source = join(root, `source-${count++}`)
    const target = join(root, `target-${count++}`)
    const outside = join(root, `outside-${count++}`)
    await mkdir(join(source, 'dir'), { recursive: true })
    await mkdir(target)
    await mkdir(outside)
    await writeFile(join(source, 'dir/file'), 'new')
    await symlink(outside, join(target, 'dir'))
    const { tar } = await archiveOf(pod, source, ['dir/file'])
    for (const existing of ['refuse', 'overwrite'] as const)
      await expect(unpack(pod, target, tar, existing)).rejects.toThrow('is a symlink or file')
    expect(readdirSync(outside)).toEqual([])
  })

  test('of a truncated archive are not taken for all of them', async () => {
    await using reached = await open()
    const pod = aPod(reached)
    const source = join(root, `source-${count++}`)
    await mkdir(source)
    await writeFile(join(source, 'a'), Buffer.alloc(5_000))
    await writeFile(join(source, 'b'), Buffer.alloc(100_000))
    const { tar } = await archiveOf(pod, source, ['**'])
    for (const length of [0, 512, 4_000, tar.length - 1_536, tar.length - 1_024, tar.length - 512])
      await expect(unpack(pod, join(root, `target-${count++}`), tar.subarray(0, length))).rejects.toThrow('truncated')
  })

  test('larger or more than the limits allow fail, on both ways', async () => {
    await using reached = await open()
    const pod = aPod(reached)
    const source = join(root, `source-${count++}`)
    await mkdir(source)
    for (const name of ['a', 'b', 'c']) await writeFile(join(source, name), Buffer.alloc(1_000))
    for (const [small, message] of [
      [{ sizeBytesMax: 2_500, entriesMax: 10 }, 'more than 2500 bytes'],
      [{ sizeBytesMax: 10_000, entriesMax: 2 }, 'more than 2 entries'],
    ] as const) {
      await expect(archiveOf(pod, source, ['*'], { limits: small })).rejects.toMatchObject({
        code: 'limit_exceeded',
        message: expect.stringContaining(message),
      })
      const { tar } = await archiveOf(pod, source, ['*'])
      const request = { destDir: join(root, `target-${count++}`), workingDir: root, environment: {}, limits: small }
      await expect(pod.unarchive({ ...request, existing: 'refuse' }, once(tar), never)).rejects.toThrow(message)
    }
  })

  test('that fail to unpack at the first of many bytes stop the sender', async () => {
    await using reached = await open()
    let sent = 0
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        sent++
        yield Buffer.alloc(1_000_000, 'x')
      }
    }
    const request = {
      destDir: join(root, `target-${count++}`),
      workingDir: root,
      environment: {},
      existing: 'refuse',
      limits,
    } as const
    await expect(aPod(reached).unarchive(request, endless(), never)).rejects.toMatchObject({ code: 'helper_failed' })
    expect(sent).toBeLessThan(100)
  })

  test('are named relative to the home, the working directory, or a symlink to where they are', async () => {
    await using reached = await open()
    const source = join(root, `source-${count++}`)
    await mkdir(join(source, 'd'), { recursive: true })
    await writeFile(join(source, 'd/f'), 'x')
    await symlink(source, `${source}-link`)
    const pod = aPod(reached, { baseEnvironment: { HOME: source } })
    const names = async (sourceDir: string, workingDir: string, destDir = '') => {
      const contents = [{ sourceDir, destDir, paths: ['**'] }]
      const { tar } = await archiveOf(pod, '', [], { contents, workingDir })
      const target = join(root, `target-${count++}`)
      await unpack(pod, target, tar)
      return readdirSync(target, { recursive: true }).toSorted()
    }
    expect(await names('~/d', '/')).toEqual(['f'])
    expect(await names('', source)).toEqual(['d', 'd/f'])
    expect(await names('d', '~', '/into/it')).toEqual(['into', 'into/it', 'into/it/f'])
    expect(await names(`${source}-link`, '/')).toEqual(['d', 'd/f'])
    await expect(names('d', '~', '../out')).rejects.toThrow('.. is not allowed')
    await expect(names('missing', '~')).rejects.toThrow('no such file or directory')
  })

  test('have digests, and the pod tells variables, architecture and time', async () => {
    await using reached = await open()
    const directory = join(root, `digests-${count++}`)
    await mkdir(directory)
    await writeFile(join(directory, 'lock'), 'abc')
    await writeFile(join(directory, 'big'), Buffer.alloc(1_048_577))
    const before = BigInt(Date.now()) * 1_000_000n
    const answer = await aPod(reached).query(
      {
        workingDir: directory,
        environment: { FOO: 'bar', TZ: 'UTC' },
        digests: [
          { algorithm: 'md5', file: 'lock' },
          { algorithm: 'sha256', file: './lock' },
          { algorithm: 'md5', file: 'big' },
          { algorithm: 'md5', file: '' },
          { algorithm: 'md5', file: 'none' },
        ],
        variables: ['FOO', 'UNSET'],
      },
      never,
    )
    expect(answer.digests).toEqual([
      { hex: '900150983cd24fb0d6963f7d28e17f72' },
      { hex: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad' },
      { error: 'file "big" is too big' },
      { error: 'empty filename' },
      { error: 'file "none": no such file or directory' },
    ])
    expect(answer.variables).toEqual(['bar', ''])
    expect(answer.arch).toBe(hostArch())
    expect(BigInt(answer.unixNanoseconds)).toBeGreaterThanOrEqual(before)
    expect(`${answer.year}-${answer.month}-${answer.day}`).toMatch(/^\d{4}-\d\d-\d\d$/)
  })
})

test('a request of another version is refused with the versions that are known', async () => {
  await using reached = await openByProcess()
  const connection = await reached.transport.open(never)
  const payload = Buffer.from('{"v":99,"verb":"query"}')
  await connection.send(Buffer.concat([Buffer.from('R'), Buffer.from([0, 0, 0, payload.length]), payload]))
  const frames: Frame[] = []
  for await (const frame of decodeFrames(connection.output)) {
    frames.push(frame)
    connection.close()
  }
  expect(frames).toMatchObject([{ type: 'X', text: expect.stringContaining('"code":"version"') }])
})
