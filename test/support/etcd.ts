// An etcd of Debian's etcd-server, for one test file.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, ServerProcess } from './server-process.ts'

export type Etcd = AsyncDisposable & {
  readonly endpoint: string
  /** As `kill -9`; what it has answered is on its disk. */
  kill(): Promise<void>
  start(): Promise<void>
  /** SIGSTOP and SIGCONT: it keeps its connections and answers nothing. */
  pause(): void
  resume(): void
}

export type EtcdOptions = {
  /** Bytes its store may have; default etcd's own. */
  readonly quotaBytes?: number
  /** Files of a server certificate: it then speaks TLS only. */
  readonly tls?: { readonly certificate: string; readonly key: string }
}

/** Starts one; fails when etcd is not installed. */
export async function startEtcd({ quotaBytes, tls }: EtcdOptions = {}): Promise<Etcd> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-etcd-'))
  const [clientPort, peerPort, metricsPort] = [await freePort(), await freePort(), await freePort()]
  const endpoint = `${tls ? 'https' : 'http'}://127.0.0.1:${clientPort}`
  const peer = `http://127.0.0.1:${peerPort}`
  const metrics = `http://127.0.0.1:${metricsPort}`
  const args = [
    ...['--name', 'test', '--data-dir', folder, '--logger', 'zap', '--log-level', 'error'],
    ...['--listen-client-urls', endpoint, '--advertise-client-urls', endpoint],
    ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `test=${peer}`],
    ...['--listen-metrics-urls', metrics],
    ...(quotaBytes === undefined ? [] : ['--quota-backend-bytes', String(quotaBytes)]),
    ...(tls ? ['--cert-file', tls.certificate, '--key-file', tls.key] : []),
  ]
  const isReady = async () => (await fetch(`${metrics}/health`, { signal: AbortSignal.timeout(1000) })).ok
  const server = new ServerProcess({ program: 'etcd', args }, isReady)
  await server.start()
  return {
    endpoint,
    kill: () => server.kill(),
    start: () => server.start(),
    pause: () => server.signal('SIGSTOP'),
    resume: () => server.signal('SIGCONT'),
    async [Symbol.asyncDispose]() {
      await server.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
