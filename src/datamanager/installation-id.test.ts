import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock as clock } from '../lib/clock.ts'
import { openPosixObjectStorage } from '../objectstorage/posix.ts'
import { type BindInstallationParts, bindInstallation } from './installation-id.ts'

type Backend = BindInstallationParts['backend']

function memoryBackend(): Backend {
  let bound: string | undefined
  return {
    findBinding: async () => bound,
    bind: async (_, id) => {
      bound ??= id
    },
  }
}

async function twoInstances(): Promise<(name: string, backend: Backend) => Promise<string>> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-installation-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const storage = await openPosixObjectStorage({ root: join(folder, 'objects'), clock })
  onTestFinished(() => storage[Symbol.asyncDispose]())
  return (name, backend) =>
    bindInstallation({ storage, base: 'database', directory: join(folder, name), backend, now: clock.now() })
}

test('an instance that begins while another one makes the installation gets the same', async () => {
  const bind = await twoInstances()
  const backend = memoryBackend()
  let first: string | undefined
  const meanwhile: Backend = {
    ...backend,
    // It has seen empty object storage; until it looks at the log the other one is done.
    findBinding: async (...asked) => {
      first = await bind('first', backend)
      return await backend.findBinding(...asked)
    },
  }
  const second = await bind('second', meanwhile)
  expect(second).toBe(first)
  expect(second).toBeDefined()
})

test('a log of an installation that object storage knows nothing of is refused', async () => {
  const bind = await twoInstances()
  const backend = memoryBackend()
  await backend.bind('installation', 'another')
  await expect(bind('first', backend)).rejects.toMatchObject({ code: 'database_foreign' })
})
