// What stays on the machine: state per repository, no secret in clear, the newest 20 invocations.

import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/git-repository.ts'
import { commandRepository } from './command.ts'

const secret = 'sw0rdfish-in-the-sea'

describe.concurrent('state and secrets', () => {
  test('a secret from the environment or a file is masked in the output and nowhere in clear in the state', async () => {
    using repository = commandRepository({
      use: {
        run: 'echo "token $TOKEN, file $FROM_FILE, colour $COLOUR"; printf %s "$TOKEN" | base64; printf %s "$TOKEN" | wc -c',
        environment: {
          TOKEN: { from_variable: 'TOKEN' },
          FROM_FILE: { from_variable: 'FROM_FILE' },
          COLOUR: { from_variable: 'COLOUR' },
        },
      },
    })
    writeFileSync(join(repository.stateHome, 'variables'), 'FROM_FILE=another-Secret-value\n')
    const { status, stdout, stderr } = await repository.slipway(
      ['run', '--driver', 'host', '--var', 'TOKEN', '--var', 'COLOUR=blue'].concat(
        '--var-file',
        join(repository.stateHome, 'variables'),
      ),
      { environment: { TOKEN: secret } },
    )
    expect(status).toBe(0)
    expect(stdout).toMatch(/\[use\] token \S+, file \S+, colour blue\n/)
    expect(stdout).toContain('[use] 20\n')
    for (const value of [secret, Buffer.from(secret).toString('base64'), 'another-Secret-value']) {
      expect(stdout + stderr).not.toContain(value)
      expect(filesWith(join(repository.stateHome, 'slipway'), value)).toEqual([])
    }
  })

  test('a secret that is too short to be masked is named', async () => {
    using repository = commandRepository({ build: 'true' })
    writeFileSync(join(repository.stateHome, 'variables'), `SHORT=12345\nLONG=123456\nEMPTY=\n`)
    const { stdout } = await repository.run('--var-file', join(repository.stateHome, 'variables'), '--var', 'PLAIN=1')
    expect(stdout).toContain('Not masked in logs, with less than 6 bytes: SHORT\n')
  })

  test('a variable without a value is empty, and that is said', async () => {
    using repository = commandRepository({
      use: { run: 'echo "<$TOKEN>"', environment: { TOKEN: { from_variable: 'TOKEN' } } },
    })
    const { status, stdout } = await repository.run()
    expect(status).toBe(0)
    expect(stdout).toContain('Run ci: TOKEN has no value and is empty; give it with --var\n')
    expect(stdout).toContain('[use] <>\n')
  })

  test('two at once do not disturb each other', async () => {
    using repository = commandRepository(
      { build: { steps: [{ clone: {} }, { run: { name: 'do', command: 'cat a.txt; sleep 0.5' } }] } },
      { 'a.txt': 'content\n' },
    )
    const results = await Promise.all([repository.run(), repository.run()])
    expect(results.map(({ status }) => status)).toEqual([0, 0])
    for (const { stdout } of results) expect(stdout).toContain('[build] content\n')
    expect(invocationsOf(repository.stateHome)).toHaveLength(2)
  })

  test('the newest 20 invocations are kept', async () => {
    using repository = commandRepository({ build: 'true' })
    await repository.run()
    const [id = ''] = readdirSync(join(repository.stateHome, 'slipway'))
    for (let index = 0; index < 25; index++) {
      const dir = join(repository.stateHome, 'slipway', id, `2001-01-01T00-00-${index + 10}-000Z-abcdef`)
      mkdirSync(dir)
      writeFileSync(join(dir, 'closed'), '')
    }
    const { status } = await repository.run()
    expect(status).toBe(0)
    const kept = invocationsOf(repository.stateHome)
    expect(kept).toHaveLength(20)
    expect(kept.filter((name) => name.startsWith('2001'))[0]).toBe('2001-01-01T00-00-17-000Z-abcdef')
  })

  test('caches that nobody used for a week go beside a later run, which is not the same day', async () => {
    using repository = commandRepository({
      build: { steps: [{ run: 'echo kept > file' }, { save_cache: { key: 'k', contents: [{ paths: ['file'] }] } }] },
    })
    expect((await repository.run()).status).toBe(0)
    const shared = join(
      repository.stateHome,
      'slipway',
      readdirSync(join(repository.stateHome, 'slipway'))[0]!,
      'shared',
    )
    const caches = () => filesWith(join(shared, 'objects'), '').filter((file) => file.includes('caches'))
    const makeOlder = (files: readonly string[], days: number) => {
      const then = Date.now() / 1000 - days * 24 * 60 * 60
      for (const file of files) utimesSync(file, then, then)
    }
    makeOlder(caches(), 8)
    repository.define({ build: 'true' })
    await repository.run()
    expect(caches(), 'on the same day nothing is looked at').not.toEqual([])
    makeOlder([join(shared, 'cleaned')], 2)
    await repository.run()
    expect(caches()).toEqual([])
  })

  // Only root can make a disk that is small.
  test.skipIf(process.getuid?.() !== 0)('a full disk exits with 4 and says so', async () => {
    using repository = commandRepository({ build: 'true' })
    using disk = temporaryDirectory('full')
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=500k', 'tmpfs', disk.path])
    try {
      const { status, stderr } = await repository.slipway(['run', '--driver', 'host'], {
        environment: { XDG_STATE_HOME: disk.path },
      })
      expect(status).toBe(4)
      expect(stderr).toMatch(/^slipway: the disk is full \(.*\)\n$/)
    } finally {
      execFileSync('umount', [disk.path])
    }
  })

  test.skipIf(process.getuid?.() !== 0)('a read-only disk exits with 4 and says so', async () => {
    using repository = commandRepository({ build: 'true' })
    using disk = temporaryDirectory('readonly')
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', disk.path])
    try {
      const { status, stderr } = await repository.slipway(['run', '--driver', 'host'], {
        environment: { XDG_STATE_HOME: disk.path },
      })
      expect(status).toBe(4)
      expect(stderr).toMatch(/^slipway: the file system is read-only \(.*\)\n$/)
    } finally {
      execFileSync('umount', [disk.path])
    }
  })

  test('state is readable by its user only', async () => {
    using repository = commandRepository({ build: 'true' })
    await repository.run()
    const root = join(repository.stateHome, 'slipway', readdirSync(join(repository.stateHome, 'slipway'))[0] ?? '')
    const open = ['shared', ...invocationsOf(repository.stateHome)].filter(
      (name) => (statSync(join(root, name)).mode & 0o077) !== 0,
    )
    expect(open).toEqual([])
  })
})

function invocationsOf(stateHome: string): readonly string[] {
  const root = join(stateHome, 'slipway')
  const [id = ''] = readdirSync(root)
  return readdirSync(join(root, id))
    .filter((name) => name !== 'shared')
    .sort()
}

function filesWith(dir: string, text: string): readonly string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .map((name) => join(dir, name))
    .filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile() && readFileSync(file).includes(text))
}
