// The clone step in a pod that runs: a repository with a history, whose mirror is there, streamed into the container.

import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDockerDriver } from '../src/executor/drivers/docker/docker-driver.ts'
import { Engine } from '../src/executor/drivers/docker/engine.ts'
import { makeTestImage } from '../src/executor/drivers/docker/test-image.ts'
import { GitMirrors } from '../src/executor/git/mirrors.ts'
import { findHelperBinary } from '../src/executor/helper/helper-binary.ts'
import { systemClock } from '../src/lib/clock.ts'
import { silentLogger } from '../src/lib/log.ts'
import { type Figure, figure } from './figure.ts'
import { copyInto, removeContainer, startContainer } from './floors/docker-copy.ts'
import { makeRepository } from './inputs/repository.ts'
import { interleaved, timeMs } from './interleaved.ts'

const seed = 202
const input = { files: 10_000, historyBytes: 100_000_000 }
const sampleCount = 15
const limits = { sizeBytesMax: 1e9, entriesMax: 100_000 }
const { signal } = new AbortController()

/** Needs a Docker engine on the usual socket, its command line, git, and Debian's static busybox. */
export async function run(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-bench-'))
  await using owned = new AsyncDisposableStack()
  owned.defer(() => rmSync(folder, { recursive: true, force: true }))
  const repository = join(folder, 'repository')
  mkdirSync(repository)
  const commitSha = await makeRepository(repository, seed, input)
  const source = {
    url: repository,
    ref: 'refs/heads/main',
    commitSha,
    branch: 'main',
    originUrl: '',
    mirrorKey: 'bench',
    submoduleUrls: {},
  }
  const image = await testImage()
  const driver = owned.use(
    await openDockerDriver({
      ownerId: 'bench',
      host: 'unix:///var/run/docker.sock',
      environment: {},
      clock: systemClock,
      logger: silentLogger,
      helperBinary: findHelperBinary,
      allowPrivileged: false,
    }),
  )
  const container = { image, environment: {}, user: '', privileged: false, entrypoint: [], volumes: [] }
  const mirrors = new GitMirrors({ dir: join(folder, 'mirrors') }, { clock: systemClock })
  const packed = () => mirrors.packedTree(source, { recurseSubmodules: false }, () => {}, signal)
  await packed()
  const ours = async () => {
    const spec = { id: randomUUID(), containers: [container], user: '', registryAuth: {}, pull: 'never' } as const
    const pod = await driver.createPod(spec, { log: () => {}, signal })
    const target = { destDir: '~/project', workingDir: '', environment: {}, existing: 'empty', limits } as const
    const ms = await timeMs(async () => await pod.unarchive(target, mirrors.open(await packed(), signal), signal))
    await pod.remove(signal)
    return ms
  }
  const bare = async () => {
    const target = await startContainer(image)
    const ms = await copyInto(target, repository, '/root/project')
    await removeContainer(target)
    return ms
  }
  const measured = await interleaved({ count: sampleCount }, ours, bare)
  return [
    figure(
      { name: 'clone of 10,000 files and 100 MB of history into a docker pod', unit: 'ms', ...measured },
      { of: 'ratio', most: 1.5 },
    ),
  ]
}

async function testImage(): Promise<string> {
  await using engine = await Engine.open({
    address: { kind: 'unix', path: '/var/run/docker.sock' },
    clock: systemClock,
  })
  return await makeTestImage(engine)
}
