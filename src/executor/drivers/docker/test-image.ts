// Images for tests and benchmarks, made without a registry: Debian's static busybox in an image of its own, loaded through the
// engine API. They are named after their content and stay, because several test processes share them.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Engine, isEngineError } from './engine.ts'
import { encodeTar, type TarEntry } from './tar.ts'

const busyboxPath = '/bin/busybox'

export type TestImage = {
  /** The image's USER. */
  readonly user?: string
  readonly environment?: readonly string[]
  readonly workingDir?: string
  readonly entrypoint?: readonly string[]
  readonly command?: readonly string[]
  /** The architecture the image claims to be for; the binary in it is always this machine's. */
  readonly arch?: string
  /** Content of the file /extra, to make a layer that no engine has. */
  readonly extra?: Uint8Array
}

/** An image as registries and archives have it: two blobs. */
export type TestImageContent = { readonly config: Buffer; readonly layer: Buffer }

/** The reference of an image with busybox and all its applets, root, `builder` (uid 1000) and `nobody`; made when missing. */
export async function makeTestImage(engine: Engine, image: TestImage = {}): Promise<string> {
  const { config, layer } = testImageContent({ arch: engine.version.arch, ...image })
  const reference = `localhost/slipway-test:${sha256(config).slice(0, 16)}`
  try {
    await engine.call({ method: 'GET', path: `/images/${reference}/json` })
  } catch (error) {
    if (!isEngineError(error, 404)) throw error
    const manifest = [{ Config: 'config.json', RepoTags: [reference], Layers: ['layer.tar'] }]
    const archive = encodeTar([
      { kind: 'file', name: 'config.json', mode: 0o644, data: config },
      { kind: 'file', name: 'layer.tar', mode: 0o644, data: layer },
      { kind: 'file', name: 'manifest.json', mode: 0o644, data: Buffer.from(JSON.stringify(manifest)) },
    ])
    const data = (async function* () {
      yield archive
    })()
    // The answer is a stream of messages; the image is there when it ends.
    for await (const line of engine.lines({ method: 'POST', path: '/images/load', data })) {
      const { error: message } = line as { readonly error?: string }
      if (message !== undefined) throw new Error(`load the test image: ${message}`)
    }
  }
  return reference
}

/** The two blobs of a test image. */
export function testImageContent({
  user,
  environment,
  workingDir,
  entrypoint,
  command,
  arch,
  extra,
}: TestImage): TestImageContent {
  const layer = rootFileSystem(extra)
  const config = {
    architecture: arch ?? 'amd64',
    os: 'linux',
    config: {
      ...(user === undefined ? {} : { User: user }),
      Env: environment ?? ['PATH=/usr/local/bin:/bin'],
      ...(workingDir === undefined ? {} : { WorkingDir: workingDir }),
      ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint }),
      Cmd: command ?? ['sh'],
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
  }
  return { config: Buffer.from(JSON.stringify(config)), layer }
}

function rootFileSystem(extra: Uint8Array | undefined): Buffer {
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
    ...(extra === undefined ? [] : [{ kind: 'file', name: 'extra', mode: 0o644, data: extra } as const]),
  ])
}

const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')
