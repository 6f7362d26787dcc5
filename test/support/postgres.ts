// A PostgreSQL of Debian's package, for one test file. It refuses to run as root, so root gives it to `nobody`.

import { execFileSync } from 'node:child_process'
import { appendFileSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, ServerProcess } from './server-process.ts'

export type Postgres = AsyncDisposable & {
  readonly url: string
  /** As `kill -9` of all its processes. */
  kill(): Promise<void>
  start(): Promise<void>
  /** SIGSTOP and SIGCONT of all its processes. */
  pause(): void
  resume(): void
}

export type PostgresStandby = Postgres & {
  /** Makes it the primary, with what it has. */
  promote(): void
}

export type PostgresOptions = {
  /** PEM of a server certificate. */
  readonly tls?: { readonly certificate: string; readonly key: string }
}

const nobody = 65_534
const user = 'slipway'

/** Starts one; fails when PostgreSQL is not installed. */
export function startPostgres({ tls }: PostgresOptions = {}): Promise<Postgres> {
  return start((folder, data) => {
    const args = ['-D', data, '-U', user, '--auth=trust', '--no-sync', '-E', 'UTF8']
    run(folder, 'initdb', ...args)
    if (!tls) return
    for (const [name, text] of [
      ['server.crt', tls.certificate],
      ['server.key', tls.key],
    ] as const) {
      writeFileSync(join(data, name), text, { mode: 0o600 })
      if (isRoot()) chownSync(join(data, name), nobody, nobody)
    }
    appendFileSync(join(data, 'postgresql.conf'), 'ssl = on\n')
  })
}

/** A standby that follows `primary` and takes part in no commit. */
export async function startStandby(primary: Postgres): Promise<PostgresStandby> {
  const standby = await start((folder, data) => {
    const { port } = new URL(primary.url)
    const source = ['-h', '127.0.0.1', '-p', port, '-U', user]
    run(folder, 'pg_basebackup', ...source, '-D', data, '--write-recovery-conf', '--checkpoint=fast', '--no-sync')
  })
  return Object.assign(standby, { promote: () => run(standby.folder, 'pg_ctl', 'promote', '-D', standby.data, '-w') })
}

async function start(
  prepare: (folder: string, data: string) => void,
): Promise<Postgres & { folder: string; data: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-postgres-'))
  if (isRoot()) chownSync(folder, nobody, nobody)
  const data = join(folder, 'data')
  prepare(folder, data)
  const port = await freePort()
  const settings = { listen_addresses: '127.0.0.1', port, unix_socket_directories: '', shared_buffers: '16MB' }
  const [program, ...args] = command(
    'postgres',
    ...['-D', data],
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  )
  const isReady = async () => {
    execFileSync(join(binaries(), 'pg_isready'), ['-q', '-h', '127.0.0.1', '-p', String(port)])
    return true
  }
  const server = new ServerProcess({ program: program!, args }, isReady)
  await server.start()
  return {
    folder,
    data,
    url: `postgres://${user}@127.0.0.1:${port}/postgres`,
    kill: () => kill(server),
    start: () => server.start(),
    pause: () => signalAll(server, 'SIGSTOP'),
    resume: () => signalAll(server, 'SIGCONT'),
    async [Symbol.asyncDispose]() {
      await kill(server)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const isRoot = () => process.getuid?.() === 0

function command(program: string, ...args: string[]): string[] {
  const asNobody = ['setpriv', '--reuid', String(nobody), '--regid', String(nobody), '--clear-groups']
  return [...(isRoot() ? asNobody : []), join(binaries(), program), ...args]
}

function run(folder: string, ...words: [string, ...string[]]): void {
  const [program, ...args] = command(...words)
  execFileSync(program!, args, { cwd: folder, stdio: 'pipe', env: { ...process.env, LC_ALL: 'C.UTF-8' } })
}

/** Its processes are in process groups of their own. */
function signalAll(server: ServerProcess, name: NodeJS.Signals): void {
  const children = server.pid === undefined ? [] : childrenOf(server.pid)
  server.signal(name)
  for (const child of children) {
    try {
      process.kill(child, name)
    } catch {
      // It has ended meanwhile.
    }
  }
}

async function kill(server: ServerProcess): Promise<void> {
  signalAll(server, 'SIGKILL')
  await server.kill()
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const status = readFileSync(`/proc/${name}/status`, 'utf8')
      return Number(/^PPid:\s*(\d+)/m.exec(status)?.[1]) === parent ? [Number(name)] : []
    } catch {
      return [] // it has ended meanwhile
    }
  })
}

function binaries(): string {
  const versions = readdirSync('/usr/lib/postgresql').sort((a, b) => Number(b) - Number(a))
  if (!versions[0]) throw new Error('PostgreSQL is not installed')
  return join('/usr/lib/postgresql', versions[0], 'bin')
}
