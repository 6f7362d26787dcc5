// An etcd of three members on the loopback interface, for one test file: members are killed, replaced, and made leader.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, ServerProcess } from './server-process.ts'

const membersCount = 3

type Member = {
  readonly name: string
  readonly endpoint: string
  readonly peer: string
  readonly server: ServerProcess
}

export type EtcdCluster = AsyncDisposable & {
  /** Of the members it began with. */
  readonly endpoints: readonly string[]
  /** Kills a member that is the leader, or one that is not; it can be started again. Returns its number. */
  kill(which: 'leader' | 'follower'): Promise<number>
  start(member: number): Promise<void>
  /** Hands the lead to another member. */
  moveLeader(): void
  /** Removes a member for good, and adds one with an empty disk in its place and at its address. */
  replace(which: 'leader' | 'follower'): Promise<void>
}

/** Starts it; fails when etcd is not installed. */
export async function startEtcdCluster(): Promise<EtcdCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-etcd-cluster-'))
  let names = 0
  const places: { readonly endpoint: string; readonly peer: string }[] = []
  for (let at = 0; at < membersCount; at++)
    places.push({ endpoint: `http://127.0.0.1:${await freePort()}`, peer: `http://127.0.0.1:${await freePort()}` })
  const etcdctl = (...words: string[]) =>
    execFileSync(
      'etcdctl',
      ['--endpoints', places.map(({ endpoint }) => endpoint).join(), '--command-timeout=5s', ...words],
      {
        env: { ...process.env, ETCDCTL_API: '3' },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    ).toString()
  const aMember = async (at: number, cluster: readonly string[], state: 'new' | 'existing'): Promise<Member> => {
    const { endpoint, peer } = places[at]!
    const name = `member-${++names}`
    const metrics = `http://127.0.0.1:${await freePort()}`
    const args = [
      ...['--name', name, '--data-dir', join(folder, name), '--logger', 'zap', '--log-level', 'error'],
      ...['--listen-client-urls', endpoint, '--advertise-client-urls', endpoint],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', [...cluster, `${name}=${peer}`].join(), '--initial-cluster-state', state],
      ...['--listen-metrics-urls', metrics, '--heartbeat-interval', '100', '--election-timeout', '1000'],
    ]
    const isReady = async () => (await fetch(`${metrics}/health`, { signal: AbortSignal.timeout(1000) })).ok
    return { name, endpoint, peer, server: new ServerProcess({ program: 'etcd', args }, isReady) }
  }
  const initial = places.map(({ peer }, at) => `member-${at + 1}=${peer}`)
  const members: Member[] = []
  for (let at = 0; at < membersCount; at++)
    members.push(
      await aMember(
        at,
        initial.filter((_, other) => other !== at),
        'new',
      ),
    )
  await Promise.all(members.map(({ server }) => server.start()))

  const statuses = (living: readonly Member[]) =>
    living.map(({ endpoint }) => {
      const text = execFileSync('etcdctl', ['--endpoints', endpoint, 'endpoint', 'status', '-w', 'json'], {
        env: { ...process.env, ETCDCTL_API: '3' },
        stdio: ['ignore', 'pipe', 'pipe'],
      }).toString()
      const [found] = JSON.parse(text) as [{ Status: { header: { member_id: number }; leader: number } }]
      const { header, leader } = found.Status
      return { isLeader: header.member_id === leader }
    })
  const find = (which: 'leader' | 'follower') => {
    const running = members.filter(({ server }) => server.pid !== undefined)
    const at = statuses(running).findIndex(({ isLeader }) => isLeader === (which === 'leader'))
    return members.indexOf(running[at]!) // a cluster that answers has a leader and a follower
  }
  /** Ids in hexadecimal, which JSON would round. */
  const memberId = ({ name }: Member) =>
    etcdctl('member', 'list')
      .split('\n')
      .map((line) => line.split(', '))
      .find((words) => words[2] === name)?.[0] ?? ''
  return {
    endpoints: places.map(({ endpoint }) => endpoint),
    async kill(which) {
      const at = find(which)
      await members[at]!.server.kill()
      return at
    },
    start: (member) => members[member]!.server.start(),
    moveLeader() {
      const leader = members[find('leader')]!
      const id = memberId(members[find('follower')]!)
      execFileSync('etcdctl', ['--endpoints', leader.endpoint, 'move-leader', id], {
        env: { ...process.env, ETCDCTL_API: '3' },
        stdio: 'pipe',
      })
    },
    async replace(which) {
      const at = find(which)
      const old = members[at]!
      const id = memberId(old)
      await old.server.kill()
      await untilHealthy(() => etcdctl('member', 'remove', id))
      const others = members.filter((_, other) => other !== at).map(({ name, peer }) => `${name}=${peer}`)
      const added = await aMember(at, others, 'existing')
      await untilHealthy(() => etcdctl('member', 'add', added.name, `--peer-urls=${added.peer}`))
      members[at] = added
      await added.server.start()
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(members.map(({ server }) => server.kill()))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A cluster that elects, or whose members have not known each other for some seconds, cannot be changed just now. */
async function untilHealthy(act: () => void): Promise<void> {
  for (const startedAt = Date.now(); ; await new Promise((resolve) => setTimeout(resolve, 500)))
    try {
      act()
      return
    } catch (error) {
      const isPassing = /unhealthy cluster|deadline exceeded|timed out|no leader|leader changed/.test(String(error))
      // Asked once more for what was done while the answer was lost.
      if (/member not found|Peer URLs already exists/i.test(String(error))) return
      if (!isPassing || Date.now() - startedAt > 120_000) throw error
    }
}
