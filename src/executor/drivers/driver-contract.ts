// What every driver does alike. A backend's test file calls `driverContract` once; what only one backend has (images, users,
// the sandbox) is tested there.

import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runProcess } from '../../lib/process.ts'
import type { OrderStep, PlainEnvironment } from '../../runservice/executor-api.ts'
import type { Driver, Pod, PodSpec, StepCommand, StepExit, StepProcess } from '../driver.ts'
import { type EnteredOrder, enterCommandAt } from '../steps/enter-script.ts'
import { encodeTar, type TarEntry } from './docker/tar.ts'

export type ContractBackend = {
  /** A driver of that owner, each time a new object on the same backend. */
  open(ownerId: string): Promise<Driver>
  /** An image with a POSIX shell and the usual small tools; backends without images return anything. */
  image(): Promise<string>
  /** Shell commands that make a Unix socket at `path`. */
  makeSocket(path: string): string
}

const aRunStep = (fields: Partial<Extract<OrderStep, { type: 'run' }>>): OrderStep => ({
  type: 'run',
  name: 'do',
  command: 'false',
  environment: {},
  workingDir: '',
  shell: '',
  tty: false,
  ...fields,
})

const limits = { sizeBytesMax: 1e9, entriesMax: 10_000 }
const never = new AbortController().signal

/** Declares the suite of the backend called `name`. */
export function driverContract(name: string, backend: ContractBackend): void {
  describe(`the ${name} driver`, () => {
    const ownerId = `contract-${randomUUID()}`
    let driver: Driver
    let image: string
    /** Shared by the tests that do not harm it. */
    let pod: Pod

    const aSpec = (overrides: Partial<PodSpec> = {}): PodSpec => ({
      id: randomUUID(),
      containers: [aContainer({ image })],
      user: '',
      registryAuth: {},
      pull: 'if_missing',
      ...overrides,
    })
    const createPod = (overrides: Partial<PodSpec> = {}, signal = never) =>
      driver.createPod(aSpec(overrides), { log: () => {}, signal })

    beforeAll(async () => {
      driver = await backend.open(ownerId)
      image = await backend.image()
      pod = await createPod()
    })

    afterAll(async () => {
      for (const id of await driver.listPods(never)) await driver.removePod(id, never)
      expect(await driver.listPods(never)).toEqual([])
      await driver[Symbol.asyncDispose]()
    })

    describe('a step', () => {
      test.each([
        ['echo hello', 'hello\n', { kind: 'exited', code: 0 }],
        ['exit 7', '', { kind: 'exited', code: 7 }],
        ['printf one; printf two >&2; printf three', 'onetwothree', { kind: 'exited', code: 0 }],
        ['kill -TERM $$', '', { kind: 'signaled', signal: 'SIGTERM' }],
        ['kill -KILL $$', '', { kind: 'signaled', signal: 'SIGKILL' }],
        ['exec 1>&- 2>&-; sleep 0.2; exit 5', '', { kind: 'exited', code: 5 }], // closes its output before it ends
        ['cat; echo nothing', 'nothing\n', { kind: 'exited', code: 0 }], // its input is at its end
        ["printf '\\377\\000\\376'", '\xff\0\xfe', { kind: 'exited', code: 0 }], // no UTF-8
        ['trap "" TERM; echo ignores; exit 1', 'ignores\n', { kind: 'exited', code: 1 }],
      ] as const)('that is %j prints and ends as it should', async (script, output, exit) => {
        expect(await run(pod, { script })).toEqual({ output, exit })
      })

      test('has the words of its command before the script', async () => {
        const ended = await run(pod, { argv: ['/bin/sh', '-x', '-e'], script: 'false\necho not reached' })
        expect(ended.output).not.toContain('reached\n')
        expect(ended.exit).toEqual({ kind: 'exited', code: 1 })
      })

      test('needs no script', async () => {
        expect((await run(pod, { argv: ['/bin/sh', '-c', 'echo "$1"', 'sh', 'a  b'] })).output).toBe('a  b\n')
      })

      test.each([
        ['a program that is not there', { argv: ['/no/such/shell'], script: 'true' }, '/no/such/shell'],
        ['a working directory that is not there', { script: 'true', workingDir: '/no/such/dir' }, '/no/such/dir'],
      ] as const)('with %s is refused, and the message names it', async (_, command, text) => {
        const { exit } = await run(pod, command)
        expect(exit).toEqual({ kind: 'refused', message: expect.stringContaining(text) })
      })

      test.each([
        [true, 'terminal\n'],
        [false, 'none\n'],
      ] as const)('asked for with tty %s has such an output', async (tty, output) => {
        const ended = await run(pod, { script: 'if test -t 1; then echo terminal; else echo none; fi', tty })
        expect(ended.output.replaceAll('\r', '')).toBe(output)
      })

      test('gets its environment byte for byte', async () => {
        const environment = {
          QUOTES: `a'b"c$d\\`,
          LINES: 'one\ntwo\n',
          UNICODE: 'ä€😀',
          EMPTY: '',
          LONG: 'x'.repeat(100_000),
        }
        const script = `printf "%s|%s|%s|%s|%s" "$QUOTES" "$LINES" "$UNICODE" "\${EMPTY-unset}" "\${#LONG}"`
        const { output } = await run(pod, { script, environment })
        expect(Buffer.from(output, 'latin1').toString()).toBe(`a'b"c$d\\|one\ntwo\n|ä€😀||100000`)
      })

      test('does not see the environment of another step', async () => {
        await run(pod, { script: 'true', environment: { SEEN: 'yes' } })
        expect((await run(pod, { script: `echo "\${SEEN-no}"` })).output).toBe('no\n')
      })

      test('finds PATH and HOME set, and its home is writable', async () => {
        const script = 'test -n "$PATH" && cd && test "$(pwd)" = "$(cd "$HOME" && pwd)" && : > ~/.written && echo "$?"'
        expect((await run(pod, { script })).output).toBe('0\n')
      })

      test('works in a directory that is made for it, with missing parents', async () => {
        const workingDir = '~/made/for/it'
        const { output } = await run(pod, { script: 'pwd; echo ~/made/for/it', workingDir, createDirs: [workingDir] })
        const [cwd, expected] = output.split('\n')
        expect(cwd).toBe(expected)
      })

      test('has its script in a private file that is removed with it', async () => {
        const { output } = await run(pod, { script: 'ls -l "$0"; echo "$0"' })
        const [listing, path] = output.split('\n')
        expect(listing).toMatch(/^-rw-------/)
        expect((await run(pod, { script: `test -e "${path}" && echo there || echo gone` })).output).toBe('gone\n')
      })

      test('ends with its first process, whatever that leaves running', async () => {
        const { exit, output } = await run(pod, { script: 'sleep 1000 & echo started' })
        expect({ exit, output }).toEqual({ exit: { kind: 'exited', code: 0 }, output: 'started\n' })
      })

      test('that prints much has every byte read once, in order, while the spool is released', async () => {
        const lines = 300_000
        const step = await pod.start(aStep({ script: `seq 1 ${lines}` }), never)
        const text = await read(step, (offset) => step.release(offset))
        expect(text).toBe(Array.from({ length: lines }, (_, i) => `${i + 1}\n`).join(''))
        expect(await step.exit).toEqual({ kind: 'exited', code: 0 })
      })

      test('that prints megabytes without a line end loses nothing', async () => {
        const { output } = await run(pod, { script: 'head -c 10000000 /dev/zero | tr "\\000" x' })
        expect(output.length).toBe(10_000_000)
      })
    })

    describe('killing a step', () => {
      test('ends it and everything it started: sessions of their own and double forks', async () => {
        const file = `/tmp/escaped-${randomUUID()}`
        const loop = `while :; do echo alive >> ${file}; sleep 0.05; done`
        const script = `
          trap '' TERM HUP INT
          setsid sh -c '${loop}' < /dev/null > /dev/null 2>&1 &
          (setsid sh -c '(${loop}) &' < /dev/null > /dev/null 2>&1 &)
          while ! test -s ${file}; do sleep 0.05; done
          echo ready
          sleep 1000`
        const step = await pod.start(aStep({ script }), never)
        const output = step.output()[Symbol.asyncIterator]()
        expect(String((await output.next()).value)).toBe('ready\n')
        await step.kill()
        while (!(await output.next()).done);
        expect(await step.exit).toEqual({ kind: 'signaled', signal: 'SIGKILL' })
        const later = await run(pod, {
          script: `sleep 0.2; a=$(wc -c < ${file}); sleep 0.3; b=$(wc -c < ${file}); test "$a" = "$b" && echo quiet || echo alive`,
        })
        expect(later.output).toBe('quiet\n')
      })

      test('that is asked to end first lets it do so in its own way', async () => {
        const script = `
          trap 'echo tidied; exit 9' TERM
          echo ready
          while :; do sleep 0.05; done`
        const step = await pod.start(aStep({ script }), never)
        const output = step.output()[Symbol.asyncIterator]()
        expect(String((await output.next()).value)).toBe('ready\n')
        await step.interrupt()
        let rest = ''
        for (let next = await output.next(); !next.done; next = await output.next()) rest += String(next.value)
        expect(rest).toContain('tidied\n')
        expect(await step.exit).toEqual({ kind: 'exited', code: 9 })
      })

      test('that has ended, twice, is no error', async () => {
        const step = await pod.start(aStep({ script: 'exit 3' }), never)
        await read(step)
        await step.kill()
        await step.kill()
        expect(await step.exit).toEqual({ kind: 'exited', code: 3 })
      })
    })

    describe('following a step', () => {
      test('that was let go of goes on from any offset', async () => {
        const command = aStep({ script: 'printf 0123; sleep 0.3; printf 4567; exit 9' })
        const step = await pod.start(command, never)
        for await (const _ of step.output()) break
        await step[Symbol.asyncDispose]()
        const again = await pod.attach(command.id, 2, never)
        expect(await read(again)).toBe('234567')
        expect(await again.exit).toEqual({ kind: 'exited', code: 9 })
      })

      test('that is over gives the same again', async () => {
        const command = aStep({ script: 'echo over; exit 4' })
        await finish(await pod.start(command, never))
        expect(await finish(await pod.attach(command.id, 0, never))).toEqual({
          output: 'over\n',
          exit: { kind: 'exited', code: 4 },
        })
      })

      test('by starting its id again does not run it twice', async () => {
        const file = `/tmp/once-${randomUUID()}`
        const command = aStep({ script: `echo ran >> ${file}; cat ${file}` })
        await finish(await pod.start(command, never))
        expect((await finish(await pod.start(command, never))).output).toBe('ran\n')
      })

      test('that never was fails with pod_gone', async () => {
        const attempt = (async () => finish(await pod.attach('no-such-step', 0, never)))()
        await expect(attempt).rejects.toMatchObject({ code: 'pod_gone' })
      })

      test('works through a driver opened later, as after a restart', async () => {
        const command = aStep({ script: 'echo first; sleep 0.5; echo second', environment: { A: 'b' } })
        const step = await pod.start(command, never)
        for await (const _ of step.output()) break
        await step[Symbol.asyncDispose]()
        await using later = await backend.open(ownerId)
        const found = await later.attachPod(pod.id, never)
        expect(found?.id).toBe(pod.id)
        const again = await found!.attach(command.id, 0, never)
        expect(await finish(again)).toEqual({ output: 'first\nsecond\n', exit: { kind: 'exited', code: 0 } })
        expect((await run(found!, { script: 'test -n "$HOME" && echo new' })).output).toBe('new\n')
      })
    })

    describe('pods', () => {
      test('are listed and removed by their owner alone', async () => {
        const mine = await createPod()
        await using stranger = await backend.open(`stranger-${randomUUID()}`)
        expect(await driver.listPods(never)).toContain(mine.id)
        expect(await stranger.listPods(never)).toEqual([])
        expect(await stranger.attachPod(mine.id, never)).toBeUndefined()
        await stranger.removePod(mine.id, never)
        expect((await run(mine, { script: 'echo alive' })).output).toBe('alive\n')
        await driver.removePod(mine.id, never)
        expect(await driver.listPods(never)).not.toContain(mine.id)
      })

      test('are removed once, however often and from where it is asked', async () => {
        const mine = await createPod()
        await Promise.all([mine.remove(never), mine.remove(never), driver.removePod(mine.id, never)])
        await mine.remove(never)
        await driver.removePod(mine.id, never)
        await driver.removePod(randomUUID(), never)
        expect(await driver.attachPod(mine.id, never)).toBeUndefined()
        await expect(mine.start(aStep({ script: 'true' }), never)).rejects.toMatchObject({ code: 'pod_gone' })
      })

      test('take their running steps with them, and the step says it is lost', async () => {
        const mine = await createPod()
        const step = await mine.start(aStep({ script: 'echo begun; sleep 1000' }), never)
        const output = step.output()[Symbol.asyncIterator]()
        await output.next()
        await mine.remove(never)
        while (!(await output.next()).done);
        expect(await step.exit).toMatchObject({ kind: 'lost', message: expect.stringMatching(/\w/) })
      })

      test('do not see each other’s files', async () => {
        const file = `/tmp/secret-${randomUUID()}`
        await run(pod, { script: `echo secret > ${file}` })
        const other = await createPod()
        expect((await run(other, { script: `cat ${file} 2> /dev/null || echo nothing` })).output).toBe('nothing\n')
        await other.remove(never)
      })

      test('with an id that is in use are refused, and the one that is there goes on', async () => {
        await expect(createPod({ id: pod.id })).rejects.toMatchObject({ name: 'SlipwayError' })
        expect((await run(pod, { script: 'echo alive' })).output).toBe('alive\n')
      })

      test.each([0, 5, 20, 60, 150, 300])('aborted %i ms into their creation leave nothing behind', async (ms) => {
        const id = randomUUID()
        const abort = new AbortController()
        if (ms === 0) abort.abort(new Error('enough'))
        else setTimeout(() => abort.abort(new Error('enough')), ms)
        const outcome = await createPod({ id }, abort.signal).catch((error: unknown) => error)
        // A fast backend may have been faster than the abort: then the pod is there and works.
        if (outcome instanceof Error) expect(outcome.message).toBe('enough')
        else await (outcome as Pod).remove(never)
        expect(await driver.listPods(never)).not.toContain(id)
      })

      test('are entered where a step failed: in its directory, as its user, with its environment but for secrets', async () => {
        const dir = `/tmp/it's here-${randomUUID()}`
        const order: EnteredOrder = {
          containers: [],
          environment: { PLAIN: `it's\n"two" $lines`, TOKEN: 'sw0rdfish', WITHIN: 'user:sw0rdfish@host' },
          workingDir: dir,
          shell: '/bin/sh -e',
          steps: [aRunStep({ environment: { STEP: 'own' }, workingDir: 'below' })],
          secrets: [{ name: 'TOKEN', value: 'sw0rdfish' }],
        }
        const user = (await run(pod, { script: `mkdir -p "${dir}/below"; id -u` })).output
        const command = await enterCommandAt(pod, order, 0, never)
        expect(command).not.toContain('sw0rdfish')
        // Without a terminal, which docker would ask for.
        const input = `pwd; id -u; echo "$PLAIN|$STEP|\${TOKEN-unset}|\${WITHIN-unset}"; exit 7\n`
        const entered = await runProcess('sh', ['-c', command.replace('exec -it', 'exec -i')], { input })
        const output = entered.stdout.toString()
        expect(output).toContain(`${dir}/below\n${user}it's\n"two" $lines|own|unset|unset\n`)
        expect(output).toContain('Not set here, because they are secret: TOKEN, WITHIN\n')
        expect(entered.code).toBe(7)
        const written = await run(pod, { script: 'cat ~/.slipway-enter; rm ~/.slipway-enter' })
        expect(written.output).toContain('STEP')
        expect(written.output).not.toContain('sw0rdfish')
      })

      test('are entered as they are where the directory of the step is not there', async () => {
        const order: EnteredOrder = {
          containers: [],
          environment: {},
          workingDir: '',
          shell: '/bin/sh -e',
          steps: [aRunStep({}), aRunStep({ workingDir: '/not/there' })],
          secrets: [],
        }
        expect(await enterCommandAt(pod, order, 1, never)).toBe(pod.enterCommand)
      })
    })

    describe('archives', () => {
      test('come back as they were: links, hard links, odd names, modes; sockets are left out with a note', async () => {
        const dir = `/tmp/archive-${randomUUID()}`
        const made = await run(pod, {
          script: `
            mkdir -p ${dir}/from/sub/deep ${dir}/from/void && cd ${dir}/from
            echo content > 'a b'; : > empty; ln -s 'a b' link; ln -s nowhere dangling
            echo hard > hard1; ln hard1 sub/hard2; echo tool > tool; chmod 755 tool; echo locked > locked; chmod 444 locked
            echo odd > "$(printf 'new\\nline')"; echo deep > sub/deep/file
            ${backend.makeSocket(`${dir}/from/socket`)}
            test -S socket && echo made`,
        })
        expect(made.output).toBe('made\n')
        const notes: string[] = []
        const data = await collect(
          pod.archive(
            {
              contents: [{ sourceDir: `${dir}/from`, destDir: '', paths: ['**'] }],
              workingDir: '/tmp',
              environment: {},
              limits,
              note: (line) => notes.push(line),
            },
            never,
          ),
        )
        expect(notes.join('\n')).toContain('socket')
        await unarchive(pod, `${dir}/to`, data)
        const { output } = await run(pod, {
          script: `
            cd ${dir}/to
            test "$(cat 'a b')" = content && echo plain
            test -f empty && ! test -s empty && echo empty
            test "$(readlink link)" = 'a b' && test "$(readlink dangling)" = nowhere && echo links
            test "$(stat -c %i hard1)" = "$(stat -c %i sub/hard2)" && test "$(cat sub/hard2)" = hard && echo hard
            test "$(stat -c %a tool)" = 755 && test "$(stat -c %a locked)" = 444 && echo modes
            test "$(cat "$(printf 'new\\nline')")" = odd && echo odd
            test "$(cat sub/deep/file)" = deep && test -d void && echo directories
            test -e socket || echo no socket`,
        })
        expect(output.split('\n')).toEqual([
          ...['plain', 'empty', 'links', 'hard', 'modes', 'odd', 'directories', 'no socket', ''],
        ])
      })

      test('hold what the patterns match, under the destination', async () => {
        const dir = `/tmp/globs-${randomUUID()}`
        await run(pod, { script: `mkdir -p ${dir}/a/b; cd ${dir}; : > a/x.o; : > a/b/y.o; : > a/b/z.c` })
        const request = { contents: [{ sourceDir: dir, destDir: 'out', paths: ['**/*.o'] }], workingDir: '/', limits }
        const data = await collect(pod.archive({ ...request, environment: {}, note: () => {} }, never))
        await unarchive(pod, `${dir}/to`, data)
        const { output } = await run(pod, { script: `cd ${dir}/to; find . -type f | sort` })
        expect(output).toBe('./out/a/b/y.o\n./out/a/x.o\n')
      })

      test('refuse, overwrite or merge what is there, as asked', async () => {
        const dir = `/tmp/existing-${randomUUID()}`
        const tar = encodeTar([directory('d/'), file('d/f', 'new')])
        await run(pod, { script: `mkdir -p ${dir}/d; printf old > ${dir}/d/f; printf other > ${dir}/d/g` })
        await expect(unarchive(pod, dir, tar, 'refuse')).rejects.toMatchObject({ name: 'SlipwayError' })
        await expect(unarchive(pod, dir, tar, 'empty')).rejects.toMatchObject({ name: 'SlipwayError' })
        expect((await run(pod, { script: `cat ${dir}/d/f ${dir}/d/g` })).output).toBe('oldother')
        await unarchive(pod, dir, tar, 'overwrite')
        expect((await run(pod, { script: `cat ${dir}/d/f ${dir}/d/g` })).output).toBe('newother')
      })

      test.each([
        ['a name that climbs out', [file('../climbed', 'evil')]],
        ['a name that climbs out further in', [directory('d/'), file('d/../../climbed', 'evil')]],
        ['a symlink and a file through it', [symlink('way', '..'), file('way/climbed', 'evil')]],
        ['an absolute symlink and a file through it', [symlink('way', '/tmp'), file('way/climbed', 'evil')]],
      ] as const)('with %s write nothing outside', async (_, entries) => {
        const dir = `/tmp/outside-${randomUUID()}`
        await run(pod, { script: `rm -f /tmp/climbed; mkdir -p ${dir}/to` })
        await unarchive(pod, `${dir}/to`, encodeTar(entries)).catch(() => {})
        const { output } = await run(pod, { script: `ls ${dir}; test -e /tmp/climbed && echo climbed; :` })
        expect(output).toBe('to\n')
      })

      test('that are cut short fail', async () => {
        const tar = encodeTar([file('f', 'x'.repeat(10_000))])
        await expect(unarchive(pod, `/tmp/cut-${randomUUID()}`, tar.subarray(0, 5_000))).rejects.toMatchObject({
          name: 'SlipwayError',
        })
      })

      test('over their limits fail with limit_exceeded', async () => {
        const dir = `/tmp/limits-${randomUUID()}`
        await run(pod, { script: `mkdir ${dir}; cd ${dir}; head -c 10000 /dev/zero > a; : > b; : > c` })
        const archive = (over: Partial<typeof limits>) =>
          collect(
            pod.archive(
              {
                contents: [{ sourceDir: dir, destDir: '', paths: ['**'] }],
                workingDir: '/',
                environment: {},
                limits: { ...limits, ...over },
                note: () => {},
              },
              never,
            ),
          )
        await expect(archive({ entriesMax: 2 })).rejects.toMatchObject({ code: 'limit_exceeded' })
        await expect(archive({ sizeBytesMax: 5_000 })).rejects.toMatchObject({ code: 'limit_exceeded' })
        expect((await archive({})).length).toBeGreaterThan(10_000)
      })
    })

    test('a query answers with digests, variables, architecture and time', async () => {
      const dir = `/tmp/query-${randomUUID()}`
      await run(pod, { script: `mkdir ${dir}; printf hello > ${dir}/f` })
      const answer = await pod.query(
        {
          workingDir: dir,
          environment: { SET: 'value' },
          digests: [
            { algorithm: 'md5', file: 'f' },
            { algorithm: 'sha256', file: 'f' },
            { algorithm: 'md5', file: 'missing' },
          ],
          variables: ['SET', 'UNSET'],
        },
        never,
      )
      expect(answer.digests).toEqual([
        { hex: '5d41402abc4b2a76b9719d911017c592' },
        { hex: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824' },
        { error: expect.stringContaining('missing') },
      ])
      expect(answer.variables).toEqual(['value', ''])
      expect(driver.facts.archs).toContain(answer.arch)
      expect(Math.abs(Number(BigInt(answer.unixNanoseconds) / 1_000_000n) - Date.now())).toBeLessThan(60_000)
      expect(answer.year).toMatch(/^\d{4}$/)
    })

    test('the environment of the main container is that of its steps, under their own', async () => {
      const environment: PlainEnvironment = { OF_CONTAINER: 'yes', BOTH: 'container' }
      const mine = await createPod({ containers: [aContainer({ image, environment })] })
      const { output } = await run(mine, { script: 'echo "$OF_CONTAINER $BOTH"', environment: { BOTH: 'step' } })
      expect(output).toBe('yes step\n')
      await mine.remove(never)
    })

    test('services are reached on localhost, or a task that has some is refused', async () => {
      const entrypoint = ['sh', '-c', 'while :; do echo hello | nc -l -p 8080; done']
      const containers = [aContainer({ image }), aContainer({ image, entrypoint })]
      if (!driver.facts.supportsServices) {
        await expect(createPod({ containers })).rejects.toMatchObject({ code: 'driver_unsupported' })
        return
      }
      const mine = await createPod({ containers })
      const script = 'until nc 127.0.0.1 8080 < /dev/null 2> /dev/null; do sleep 0.05; done'
      expect((await run(mine, { script })).output).toBe('hello\n')
      await mine.remove(never)
      expect(await driver.listPods(never)).not.toContain(mine.id)
    })

    test('a driver says what it talks to', () => {
      expect(driver.facts.description).toMatch(/\w+ [\d.]+/)
      expect(driver.facts.archs.length).toBeGreaterThan(0)
    })
  })
}

/** A container of a pod, with nothing special unless told. */
export function aContainer(
  container: Partial<PodSpec['containers'][number]> & { readonly image: string },
): PodSpec['containers'][number] {
  return { environment: {}, user: '', privileged: false, entrypoint: [], volumes: [], ...container }
}

/** A shell step with an id of its own. */
export function aStep(command: Partial<StepCommand>): StepCommand {
  return {
    id: randomUUID(),
    argv: ['/bin/sh'],
    environment: {},
    workingDir: '/tmp',
    createDirs: [],
    tty: false,
    ...command,
  }
}

/** Runs a step to its end. Output as latin1: one character per byte. */
export async function run(pod: Pod, command: Partial<StepCommand>): Promise<{ output: string; exit: StepExit }> {
  return await finish(await pod.start(aStep(command), never))
}

async function finish(step: StepProcess): Promise<{ output: string; exit: StepExit }> {
  const output = await read(step)
  return { output, exit: await step.exit }
}

async function read(step: StepProcess, onOffset: (offset: number) => void = () => {}): Promise<string> {
  const chunks: Uint8Array[] = []
  let offset = 0
  for await (const chunk of step.output()) {
    chunks.push(Buffer.from(chunk))
    offset += chunk.length
    onOffset(offset)
  }
  return Buffer.concat(chunks).toString('latin1')
}

async function collect(data: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of data) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

async function unarchive(
  pod: Pod,
  destDir: string,
  tar: Uint8Array,
  existing: 'refuse' | 'overwrite' | 'empty' = 'empty',
): Promise<void> {
  // In pieces, as a network would bring it.
  const pieces = (async function* () {
    for (let at = 0; at < tar.length; at += 50_000) yield tar.subarray(at, at + 50_000)
  })()
  await pod.unarchive({ destDir, workingDir: '/tmp', environment: {}, existing, limits }, pieces, never)
}

const file = (name: string, data: string): TarEntry => ({ kind: 'file', name, mode: 0o644, data: Buffer.from(data) })
const directory = (name: string): TarEntry => ({ kind: 'directory', name, mode: 0o755 })
const symlink = (name: string, target: string): TarEntry => ({ kind: 'symlink', name, mode: 0o777, target })
