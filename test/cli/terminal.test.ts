// The live tree on a real terminal: tmux holds the pty and says what is on the screen.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/git-repository.ts'
import { type CommandRepository, cleanEnvironment, commandRepository, slipwayFile } from './command.ts'

const execute = promisify(execFile)

type Terminal = AsyncDisposable & {
  type(...keys: readonly string[]): Promise<void>
  screen(options?: { readonly colours?: boolean }): Promise<string>
  resize(columns: number, rows: number): Promise<void>
  isCursorShown(): Promise<boolean>
  /** Waits until the screen matches, and returns it. */
  until(pattern: RegExp): Promise<string>
}

/** `slipway run --driver host` with `args` on a terminal of 80 by 24; at the end its status is printed as `status N`. */
async function onTerminal(
  repository: CommandRepository,
  args: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
): Promise<Terminal> {
  const directory = temporaryDirectory('tmux')
  const tmux = async (...command: readonly string[]) =>
    (
      await execute('tmux', ['-u', '-f', '/dev/null', '-S', `${directory.path}/socket`, ...command], {
        env: cleanEnvironment({ XDG_STATE_HOME: repository.stateHome, TERM: 'xterm-256color', SHELL: '/bin/sh' }),
      })
    ).stdout
  const assignments = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  const command = ['env', ...assignments, slipwayFile, 'run', '--driver', 'host', ...args].join(' ')
  await tmux(
    'new-session',
    '-d',
    '-s',
    'test',
    '-x',
    '80',
    '-y',
    '24',
    '-c',
    repository.dir,
    `trap : INT; ${command}; echo status $?; while :; do sleep 1; done`,
  )
  const screen = async ({ colours = false } = {}) =>
    await tmux('capture-pane', '-p', ...(colours ? ['-e'] : []), '-t', 'test')
  return {
    screen,
    type: async (...keys) => void (await tmux('send-keys', '-t', 'test', ...keys)),
    resize: async (columns, rows) =>
      void (await tmux('resize-window', '-t', 'test', '-x', String(columns), '-y', String(rows))),
    isCursorShown: async () => (await tmux('display', '-p', '-t', 'test', '#{cursor_flag}')).trim() === '1',
    until: async (pattern) => {
      let seen = ''
      for (const deadline = Date.now() + 20_000; Date.now() < deadline; ) {
        seen = await screen()
        if (pattern.test(seen)) return seen
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      throw new Error(`${pattern} did not appear on the screen:\n${seen}`)
    },
    [Symbol.asyncDispose]: async () => {
      await tmux('kill-server')
      directory[Symbol.dispose]()
    },
  }
}

const counting = 'for i in $(seq 600); do echo line $i; sleep 0.1; done'

describe.concurrent('on a terminal', () => {
  test('the tree is live, an interrupt stops the run cleanly, and the cursor is back', async () => {
    using repository = commandRepository({ count: counting, after: { run: 'true', depends: ['count'] } })
    await using terminal = await onTerminal(repository)
    const live = await terminal.until(/line 7/)
    expect(live).toMatch(
      /^● ci #1 {2}[\d.]+s\n├ ● count {2}[\d.]+s\n│ {3}● do {2}[\d.]+s\n(│ {5}line \d+\n){4}└ ○ after {2}waits for count\n\n/,
    )
    expect(await terminal.isCursorShown()).toBe(false)
    await terminal.type('C-c')
    const end = await terminal.until(/^status \d/m)
    expect(end).toMatch(
      /^Stopping; interrupt again to leave at once\n■ ci #1 {2}[\d.]+s {2}stopped\n├ ■ count {2}[\d.]+s {2}stopped\n│ {3}■ do {2}[\d.]+s\n└ – after {2}skipped: the run was stopped\nstatus 3\n\n/,
    )
    expect(await terminal.isCursorShown()).toBe(true)
  })

  test('a second interrupt leaves at once, and the cursor is back', async () => {
    using repository = commandRepository({ stubborn: "trap '' TERM INT; echo begun; sleep 61 & wait; sleep 61" })
    await using terminal = await onTerminal(repository)
    await terminal.until(/begun/)
    await terminal.type('C-c')
    await terminal.type('C-c')
    // 130 is what the shell says when the second one meets a process that has ended but for Node's own tidying up.
    await terminal.until(/^(\^C)?status (3|130)$/m)
    expect(await terminal.isCursorShown()).toBe(true)
    repository.define({ quick: 'true' })
    expect((await repository.run()).status).toBe(0)
  })

  test('an approval is asked for below the tree, which goes on afterwards', async () => {
    using repository = commandRepository({
      build: 'echo built',
      deploy: { run: 'echo deployed', depends: ['build'], approval: true },
    })
    await using terminal = await onTerminal(repository)
    const asked = await terminal.until(/Approve\?/)
    expect(asked).toMatch(
      /^● ci #1 {2}[\d.]+s\n├ ✓ build {2}[\d.]+s\n│ {3}✓ do {2}[\d.]+s\n└ \? deploy {2}waits for approval\nTask deploy waits for approval\. Approve\? \[y\/N\]/,
    )
    expect(await terminal.isCursorShown()).toBe(true)
    await terminal.type('y', 'Enter')
    const end = await terminal.until(/^status 0/m)
    expect(end).toMatch(
      /^✓ ci #1 {2}[\d.]+s {2}success\n├ ✓ build {2}[\d.]+s\n│ {3}✓ do {2}[\d.]+s\n└ ✓ deploy {2}[\d.]+s\n {4}✓ do {2}[\d.]+s\nstatus 0\n/,
    )
  })

  test('an interrupt at the question stops the run', async () => {
    using repository = commandRepository({ deploy: { run: 'true', approval: true } })
    await using terminal = await onTerminal(repository)
    await terminal.until(/Approve\?/)
    await terminal.type('C-c')
    expect(await terminal.until(/^status \d/m)).toMatch(/■ ci #1 {2}[\d.]+s {2}stopped\n.*\nstatus 3\n/)
  })

  test('at the end: the tree, the log of what failed, why, and how to repeat it', async () => {
    using repository = commandRepository({ test: 'echo one; echo two; exit 3' })
    await using terminal = await onTerminal(repository)
    const end = await terminal.until(/^status \d/m)
    expect(end.replaceAll(/[\d.]+s/g, 'TIME')).toMatch(`✗ ci #1  TIME  failed
└ ✗ test  TIME  exit status 3
    ✗ do  TIME

✗ test / do: exit status 3
  one
  two

To repeat
  slipway run --from-failed --driver host   what failed, keeping what succeeded
  slipway run --task test --driver host   that task and what it depends on
status 1
`)
  })

  test('a resized terminal gets a tree that fits', async () => {
    using repository = commandRepository({
      count: counting,
      ...Object.fromEntries(
        Array.from({ length: 12 }, (_, index) => [`after${index}`, { run: 'true', depends: ['count'] }]),
      ),
    })
    await using terminal = await onTerminal(repository)
    expect(await terminal.until(/line 5/)).toContain('○ after11  waits for count')
    await terminal.resize(30, 8)
    const small = await terminal.until(/12 tasks wait/)
    expect(small).toMatch(
      /^● ci #1 {2}[\d.]+s\n├ ● count {2}[\d.]+s\n│ {3}● do {2}[\d.]+s\n│ {5}line \d+\n└ ○ 12 tasks wait\n/,
    )
    await terminal.resize(80, 24)
    expect(await terminal.until(/○ after11/)).toMatch(/● ci #1/)
    await terminal.type('C-c')
    await terminal.until(/^status 3/m)
  })

  test('colours are used, and NO_COLOR and TERM=dumb switch them off', async () => {
    using repository = commandRepository({ build: 'true' })
    await using coloured = await onTerminal(repository)
    await coloured.until(/^status 0/m)
    expect(await coloured.screen({ colours: true })).toContain('\u001b[32m✓')
    await using plain = await onTerminal(repository, [], { NO_COLOR: '1' })
    await plain.until(/^status 0/m)
    const text = await plain.screen({ colours: true })
    expect(text).toContain('✓ ci')
    expect(text).not.toContain('\u001b')
    await using dumb = await onTerminal(repository, [], { TERM: 'dumb' })
    const lines = await dumb.until(/^status 0/m)
    expect(lines).toContain('run ci: success')
    expect(lines).not.toContain('✓')
  })

  test('progress that redraws its line shows as its last state, and escape sequences do nothing', async () => {
    using repository = commandRepository({
      progress: `printf '10%%\\r20%%\\r30%%'; sleep 1; printf '\\r100%%\\n\\033[2J\\033[31mred\\n'; sleep 1`,
    })
    await using terminal = await onTerminal(repository)
    await terminal.until(/^ {6}30%$/m)
    const later = await terminal.until(/red/)
    expect(later).toMatch(/^● ci #1 {2}[\d.]+s\n└ ● progress {2}[\d.]+s\n {4}● do {2}[\d.]+s\n {6}100%\n {6}red\n/)
  })
})
