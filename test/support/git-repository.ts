// Real git repositories for tests, in temporary directories.

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export type TestRepository = Disposable & {
  readonly dir: string
  git(...args: string[]): string
  write(files: Readonly<Record<string, string>>): void
  /** Adds everything, commits, and returns the commit. */
  commit(message: string): string
}

export function temporaryDirectory(name: string): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), `slipway-${name}-`))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** An empty repository on the unborn branch `main`, with `files` written but not committed. */
export function testRepository(files: Readonly<Record<string, string>> = {}, dir?: string): TestRepository {
  const temporary = dir === undefined ? temporaryDirectory('repository') : undefined
  const root = dir ?? temporary!.path
  mkdirSync(root, { recursive: true })
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'protocol.file.allow=always', ...args], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        HOME: root,
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_AUTHOR_NAME: 'Test',
        GIT_AUTHOR_EMAIL: 'test@example.org',
        GIT_COMMITTER_NAME: 'Test',
        GIT_COMMITTER_EMAIL: 'test@example.org',
      },
    }).trim()
  git('init', '--quiet', '--initial-branch=main')
  const repository: TestRepository = {
    dir: root,
    git,
    write: (written) => {
      for (const [name, content] of Object.entries(written)) {
        mkdirSync(dirname(join(root, name)), { recursive: true })
        writeFileSync(join(root, name), content)
      }
    },
    commit: (message) => {
      git('add', '--all')
      git('commit', '--quiet', '--allow-empty', '--message', message)
      return git('rev-parse', 'HEAD')
    },
    [Symbol.dispose]: () => temporary?.[Symbol.dispose](),
  }
  repository.write(files)
  return repository
}
