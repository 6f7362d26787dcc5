// A real S3 server for tests: Ceph's gateway on a cluster of one monitor and one object store in memory. It honours
// conditional writes and checks signatures, which the S3 fakes on npm do not.
//
// Everything lives below one folder and ends with the process that started it, even when that is killed: each daemon asks
// the kernel for a signal at the death of its parent. Needs root and Debian's ceph-mon, ceph-osd, radosgw, ceph-common.

import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { runProcess } from '../../src/lib/process.ts'
import { freePort } from './server-process.ts'

export type CephServer = AsyncDisposable & {
  /** `http://localhost:PORT`; buckets also answer as `BUCKET.localhost`. */
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

const untilParentDies = ['--pdeathsig', 'KILL']
const startMsMax = 110_000
const stopMsMax = 10_000
const gatewayAttempts = 3

/** Starts the cluster in `folder`, which must be empty. Takes about 10 s. The folder is left to the caller. */
export async function startCeph(folder: string): Promise<CephServer> {
  await using undo = new AsyncDisposableStack()
  const signal = AbortSignal.timeout(startMsMax)
  const [monitor, monitorOld] = [await freePort(), await freePort()]
  const fsid = randomUUID()
  const storeId = randomUUID()
  const keyring = join(folder, 'keyring')
  for (const name of ['mon', 'osd', 'rgw', 'run']) mkdirSync(join(folder, name))
  writeFileSync(
    join(folder, 'ceph.conf'),
    `[global]
fsid = ${fsid}
mon host = [v2:127.0.0.1:${monitor},v1:127.0.0.1:${monitorOld}]
public addr = 127.0.0.1
keyring = ${keyring}
run dir = ${folder}/run
admin socket =
log file = ${folder}/$type.log
mon cluster log file = ${folder}/cluster.log
crash dir = ${folder}/run
mon data = ${folder}/mon
mon allow pool size one = true
mon data avail warn = 0
mon data avail crit = 0
mon warn on pool no redundancy = false
osd data = ${folder}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
rgw data = ${folder}/rgw
rgw dns name = localhost
rgw enable usage log = false
rgw enable ops log = false
`,
  )
  const configured = ['--conf', join(folder, 'ceph.conf')]
  const run = async (program: string, ...args: string[]) => {
    const { code, stderr } = await runProcess('setpriv', [...untilParentDies, program, ...args], { signal })
    if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`)
  }
  const start = (program: string, ...args: string[]) => {
    const daemon = startDaemon(join(folder, `${program}.out`), program, [...args, ...configured])
    undo.defer(() => stopDaemon(daemon))
    return daemon
  }

  const identities = [
    ['mon.', 'mon', 'allow *'],
    ['client.admin', 'mon', 'allow *', 'osd', 'allow *', 'mgr', 'allow *'],
    ['osd.0', 'mon', 'allow profile osd', 'osd', 'allow *'],
    ['client.rgw', 'mon', 'allow rw', 'osd', 'allow rwx'],
  ]
  for (const [index, [name, ...rights]] of identities.entries()) {
    const caps = Array.from({ length: rights.length / 2 }, (_, at) => ['--cap', ...rights.slice(at * 2, at * 2 + 2)])
    const isNew = index === 0 ? ['--create-keyring'] : []
    await run('ceph-authtool', ...isNew, keyring, '--gen-key', '-n', name!, ...caps.flat())
  }
  const map = join(folder, 'monmap')
  const address = `[v2:127.0.0.1:${monitor},v1:127.0.0.1:${monitorOld}]`
  await run('monmaptool', '--create', '--fsid', fsid, '--addv', 'a', address, map)
  await run('ceph-mon', '--mkfs', '-i', 'a', '--monmap', map, '--keyring', keyring, ...configured)
  start('ceph-mon', '-f', '-i', 'a')
  await run('ceph', ...configured, 'osd', 'new', storeId, '0')
  // The same id as above, else the store never comes up.
  await run('ceph-osd', '--mkfs', '-i', '0', '--osd-uuid', storeId, ...configured)
  start('ceph-osd', '-f', '-i', '0')
  const [accessKeyId, secretAccessKey] = ['slipway-test', randomUUID()]
  const user = ['--uid', 'test', '--display-name', 'test', '--access-key', accessKeyId, '--secret-key', secretAccessKey]
  const creating = run('radosgw-admin', ...configured, '-n', 'client.rgw', 'user', 'create', ...user)
  const [port] = await Promise.all([startGateway(start, signal), creating])
  const endpoint = `http://localhost:${port}`
  const owned = undo.move()
  return { endpoint, accessKeyId, secretAccessKey, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function startDaemon(output: string, program: string, args: readonly string[]): ChildProcess {
  const file = openSync(output, 'a')
  const daemon = spawn('setpriv', [...untilParentDies, program, ...args], { stdio: ['ignore', file, file] })
  closeSync(file)
  daemon.on('error', () => {}) // A program that is not there is missed by whoever waits for its service.
  return daemon
}

async function stopDaemon(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null || daemon.pid === undefined) return
  const ended = once(daemon, 'exit')
  // Nothing in memory is worth an orderly end, which takes the monitor seconds.
  daemon.kill('SIGKILL')
  await Promise.race([ended, sleep(stopMsMax, undefined, { ref: false })])
}

/** Its port. Between choosing one and listening on it lie seconds, in which somebody else may take it. */
async function startGateway(
  start: (program: string, ...args: string[]) => ChildProcess,
  signal: AbortSignal,
): Promise<number> {
  for (let attempt = 1; attempt <= gatewayAttempts; attempt++) {
    const port = await freePort()
    const gateway = start('radosgw', '-f', '-n', 'client.rgw', '--rgw-frontends', `beast endpoint=127.0.0.1:${port}`)
    while (gateway.exitCode === null && gateway.pid !== undefined) {
      const answer = await fetch(`http://127.0.0.1:${port}`).then(
        (response) => response.text(),
        () => '',
      )
      if (answer.includes('ListAllMyBucketsResult')) return port!
      await sleep(50, undefined, { signal })
    }
  }
  throw new Error("Ceph's gateway did not start")
}
