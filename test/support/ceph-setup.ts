// Vitest's global set-up: one Ceph for a whole test run, started when the first test asks for it (ceph-server.ts) and ended
// with the run.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { type CephServer, startCeph } from './ceph.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    cephSocket: string
  }
}

/** Gives the function that ends it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-ceph-'))
  let starting: Promise<CephServer> | undefined
  const start = () => {
    mkdirSync(join(folder, 'data'))
    return startCeph(join(folder, 'data'))
  }
  const service = createServer(async (_, response) => {
    starting ??= start()
    const answer = await starting.catch((error: unknown) => ({ failure: String(error) }))
    response.end(JSON.stringify(answer))
  })
  const socket = join(folder, 'socket')
  await new Promise<void>((resolve) => service.listen(socket, resolve))
  service.unref()
  project.provide('cephSocket', socket)
  return async () => {
    service.close()
    service.closeAllConnections()
    const ceph = await starting?.catch(() => undefined)
    await ceph?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  }
}
