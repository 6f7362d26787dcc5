// Images for tests and benchmarks, made without a registry: Debian's static busybox in an image of its own, imported through
// the engine API. They are named after their content and stay, because several test processes share them.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Engine, isEngineError } from './engine.ts'
import { encodeTar, type TarEntry } from './tar.ts'

const busyboxPath = '/bin/busybox'

export type TestImage = {
  /** Dockerfile instructions that set metadata: `USER builder`, `ENV A=b`, `CMD [...]`. */
  readonly changes?: readonly string[]
  /** The architecture the image claims, as Docker names platforms: `linux/arm64`. */
  readonly platform?: string
}

/** The reference of an image with busybox and all its applets, root, `builder` (uid 1000) and `nobody`; made when missing. */
export async function makeTestImage(engine: Engine, { changes = [], platform }: TestImage = {}): Promise<string> {
  const content = testImageTar()
  const hash = createHash('sha256').update(content).update(JSON.stringify({ changes, platform })).digest('hex')
  const [repo, tag] = ['slipway-test', hash.slice(0, 16)]
  try {
    await engine.call({ method: 'GET', path: `/images/${repo}:${tag}/json` })
  } catch (error) {
    if (!isEngineError(error, 404)) throw error
    const query = new URLSearchParams({ fromSrc: '-', repo, tag, ...(platform === undefined ? {} : { platform }) })
    for (const change of changes) query.append('changes', change)
    const data = (async function* () {
      yield content
    })()
    // The answer is a stream; the image is there when it ends.
    for await (const line of engine.lines({ method: 'POST', path: `/images/create?${query}`, data })) {
      const { error: message } = line as { readonly error?: string }
      if (message !== undefined) throw new Error(`import the test image: ${message}`)
    }
  }
  return `${repo}:${tag}`
}

/** The root file system of the test image. */
export function testImageTar(): Buffer {
  const applets = execFileSync(busyboxPath, ['--list'], { encoding: 'utf8' }).split('\n')
  const text = (name: string, data: string): TarEntry => ({ kind: 'file', name, mode: 0o644, data: Buffer.from(data) })
  const directory = (name: string, mode: number, uid = 0): TarEntry => ({
    kind: 'directory',
    name,
    mode,
    uid,
    gid: uid,
  })
  return encodeTar([
    directory('bin/', 0o755),
    { kind: 'file', name: 'bin/busybox', mode: 0o755, data: readFileSync(busyboxPath) },
    ...applets
      .filter((name) => name !== '' && name !== 'busybox')
      .map((name): TarEntry => ({ kind: 'symlink', name: `bin/${name}`, mode: 0o777, target: 'busybox' })),
    directory('etc/', 0o755),
    text(
      'etc/passwd',
      'root:x:0:0:root:/root:/bin/sh\nbuilder:x:1000:1000:builder:/home/builder:/bin/sh\n' +
        'nobody:x:65534:65534:nobody:/:/bin/false\n',
    ),
    text('etc/group', 'root:x:0:\nbuilder:x:1000:\nwheel:x:10:builder\nnobody:x:65534:\n'),
    directory('root/', 0o700),
    directory('home/', 0o755),
    directory('home/builder/', 0o755, 1000),
    directory('tmp/', 0o1777),
    directory('srv/', 0o755),
  ])
}
