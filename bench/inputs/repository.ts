// A git repository with a history, from a seed: files that do not compress, each changed once.

import { execFile, spawn } from 'node:child_process'
import { createCipheriv } from 'node:crypto'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { seededRandom } from './random.ts'

export type RepositoryInput = {
  readonly files: number
  /** Of all versions of all files together. */
  readonly historyBytes: number
}

/** Makes a repository in the empty folder `path`, checked out on `main`; returns the commit. */
export async function makeRepository(path: string, seed: number, input: RepositoryInput): Promise<string> {
  const run = (...args: string[]) => promisify(execFile)('git', ['-C', path, ...args])
  await run('init', '--quiet', '--initial-branch=main')
  const importer = spawn('git', ['-C', path, 'fast-import', '--quiet'], { stdio: ['pipe', 'inherit', 'inherit'] })
  const ended = once(importer, 'exit')
  const random = seededRandom(seed)
  const bytes = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16))
  const versions = 2
  const mean = input.historyBytes / input.files / versions
  for (let version = 0; version < versions; version++) {
    const message = `version ${version}`
    importer.stdin.write(`commit refs/heads/main\nmark :${version + 1}\n`)
    importer.stdin.write(`committer bench <bench@localhost> ${1_700_000_000 + version} +0000\n`)
    importer.stdin.write(`data ${message.length}\n${message}\n`)
    for (let file = 0; file < input.files; file++) {
      const content = bytes.update(Buffer.alloc(Math.round(mean * (0.5 + random()))))
      importer.stdin.write(`M 100644 inline ${pathOf(file)}\ndata ${content.length}\n`)
      importer.stdin.write(content)
      if (!importer.stdin.write('\n')) await once(importer.stdin, 'drain')
    }
  }
  importer.stdin.end()
  const [code] = await ended
  if (code !== 0) throw new Error(`git fast-import ended with ${code}`)
  await run('checkout', '--quiet', 'main')
  return (await run('rev-parse', 'HEAD')).stdout.trim()
}

const pathOf = (file: number) => `packages/${file % 40}/src/${Math.floor(file / 40) % 10}/file-${file}.bin`
