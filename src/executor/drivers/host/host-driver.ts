// The host driver: every task in a bubblewrap sandbox on this machine, with its own user when the executor is root. All
// that exists of a pod is in its directory (pod-directory.ts) and behind one process id, so removing is: kill that, wait,
// rename the directory aside, delete it when there is time. A crash at any point leaves a part of that sequence, which
// removePod of the next start takes up where it ended. A pod may be made before its task is there (spare-pods.ts); becoming
// the task's is a rename as well.

import { randomUUID } from 'node:crypto'
import { chmodSync, chownSync, existsSync, readdirSync, renameSync } from 'node:fs'
import type { Socket } from 'node:net'
import { release, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../../lib/clock.ts'
import { errorMessage, invariant, SlipwayError } from '../../../lib/errors.ts'
import { limits } from '../../../lib/limits.ts'
import type { Logger } from '../../../lib/log.ts'
import { runProcess } from '../../../lib/process.ts'
import { isAlive, killProcess } from '../../../lib/process-identity.ts'
import type { Arch } from '../../../pipeline/run-config.ts'
import type { PlainEnvironment } from '../../../runservice/executor-api.ts'
import type { Driver, DriverFacts, Pod, PodContainer, PodId, PodOptions, PodSpec, StepExit } from '../../driver.ts'
import { createHelperPod } from '../../helper/client.ts'
import { connectAhead, socketTransport } from '../../helper/transport.ts'
import {
  type ControlGroups,
  controlGroupTasks,
  countMemoryKills,
  createControlGroup,
  findControlGroups,
  moveToControlGroup,
  removeControlGroup,
} from './control-group.ts'
import { DiskWatch, freePercent, readDiskSpace } from './disk-watch.ts'
import { type DriverDirectories, makeDriverDirectories, shortHash } from './driver-directories.ts'
import { HostPod } from './host-pod.ts'
import { identityOfView, lookAtHost } from './host-view.ts'
import {
  isPodThere,
  listPodDirectories,
  loadEndRecord,
  loadPodRecord,
  loadSandboxRecord,
  makePodDirectory,
  makePodFolders,
  type PodDirectory,
  type PodRecord,
  podDirectory,
  type SandboxRecord,
  type StartedPod,
  saveEndRecord,
  savePodRecord,
} from './pod-directory.ts'
import { RemovedPods } from './removed-pods.ts'
import { checkPodId, ignoredSettings, needsDocker } from './requirements.ts'
import { endSandbox, type SandboxStart, sandboxDescriptors, startSandbox } from './sandbox.ts'
import { type HostView, helperPath, sandboxArguments, sandboxEnvironment, sandboxUser } from './sandbox-arguments.ts'
import { type SparePod, SparePods } from './spare-pods.ts'
import { Spawner } from './spawner.ts'
import { openUidPool, taskUids, type UidPool, uidClaimsDir } from './uid-pool.ts'
import { endUnsandboxed, privateDirDescriptor, startUnsandboxed, unsandboxedEnvironment } from './unsandboxed.ts'

export type HostLimits = {
  /** Of one task, all its processes together. */
  readonly memoryBytesMax: number
  readonly processesMax: number
  readonly openFilesMax: number
  readonly fileBytesMax: number
  readonly freeDiskPercentMin: number
}

export type HostDriverOptions = {
  /** Pods are kept below it, in directories of mode 0700. Tasks cannot see it. */
  readonly dataDir: string
  readonly ownerId: string
  /** The static helper for this machine. */
  readonly helperFile: string
  /** Goes on without bubblewrap; tasks are then ordinary processes of this user. */
  readonly allowUnsandboxed: boolean
  /** Shown to tasks beside /usr, /etc and the like; must exist. */
  readonly readOnlyPaths: readonly string[]
  /** Hidden from tasks where a shown path contains them: the executor's configuration, other data of the server. */
  readonly hiddenPaths?: readonly string[]
  /** Pods that tasks will ask for at most; default: nobody knows. No sandboxes are made ahead of more. */
  readonly tasksMax?: number
  readonly clock: Clock
  readonly logger: Logger
  readonly limits?: Partial<HostLimits>
  /** Name or path of bubblewrap. */
  readonly bubblewrap?: string
}

/** What a machine's own limits default to. */
export function defaultHostLimits(memoryBytes: number): HostLimits {
  return {
    memoryBytesMax: Math.floor((memoryBytes * limits.hostMemoryPercent.value) / 100),
    processesMax: limits.hostProcesses.value,
    openFilesMax: limits.hostOpenFiles.value,
    fileBytesMax: limits.hostFileBytes.value,
    freeDiskPercentMin: limits.freeDiskPercent.value,
  }
}

/**
 * Starts a sandbox once to see that it works. Fails with `driver_unavailable` when it does not, or when this is not Linux;
 * with `allowUnsandboxed` only the latter. What earlier processes removed but could not delete is deleted in the background.
 */
export async function openHostDriver(options: HostDriverOptions): Promise<Driver> {
  if (process.platform !== 'linux')
    throw new SlipwayError('driver_unavailable', 'the host driver needs Linux; use the docker driver')
  const arch = archs[process.arch]
  if (arch === undefined)
    throw new SlipwayError('driver_unavailable', `the host driver does not know the architecture ${process.arch}`)
  try {
    const { path, version } = await findBubblewrap(options.bubblewrap ?? 'bwrap')
    return await openProbed(options, { arch, bubblewrap: path, ...isolationHere(version) })
  } catch (error) {
    if (!options.allowUnsandboxed) throw error
    options.logger.warn('tasks run without sandbox', { error })
    const description = `no sandbox (Linux ${release()}): tasks are processes of this user`
    return await openProbed(options, { arch, description, bubblewrap: undefined })
  }
}

type Isolation = Pick<Facts, 'arch' | 'bubblewrap' | 'description'> & Partial<Pick<Facts, 'controlGroups' | 'uids'>>

function isolationHere(version: string): Omit<Isolation, 'arch' | 'bubblewrap'> {
  if (process.getuid?.() !== 0) return { description: `${version}, tasks have this user, memory is not limited` }
  const controlGroups = findControlGroups()
  return {
    ...(controlGroups === undefined ? {} : { controlGroups }),
    uids: openUidPool({ claimsDir: uidClaimsDir, uids: taskUids, random: Math.random, isPodThere }),
    description: `${version}, a user per task${controlGroups === undefined ? ', memory is not limited' : ''}`,
  }
}

async function openProbed(options: HostDriverOptions, isolation: Isolation): Promise<Driver> {
  const driver = new HostDriver(options, {
    controlGroups: undefined,
    uids: undefined,
    ...isolation,
    dirs: makeDriverDirectories(options),
    view: lookAtHost({
      readOnlyPaths: options.readOnlyPaths,
      hiddenPaths: [options.dataDir, ...(options.hiddenPaths ?? [])],
    }),
    limits: { ...defaultHostLimits(totalmem()), ...options.limits },
  })
  try {
    await driver.probe()
    return driver
  } catch (error) {
    await driver[Symbol.asyncDispose]()
    throw error
  }
}

const archs: Readonly<Record<string, Arch>> = { x64: 'amd64', arm64: 'arm64', arm: 'arm', ia32: '386' }

type Facts = {
  readonly arch: Arch
  /** Undefined: no sandbox. */
  readonly bubblewrap: string | undefined
  readonly dirs: DriverDirectories
  readonly view: HostView
  readonly limits: HostLimits
  readonly controlGroups: ControlGroups | undefined
  readonly uids: UidPool | undefined
  readonly description: string
}

class HostDriver implements Driver {
  readonly name = 'host'
  readonly facts: DriverFacts
  readonly #options: HostDriverOptions
  readonly #host: Facts
  /** Pods that run, of this process and those it attached to. */
  readonly #pods = new Map<PodId, { readonly directory: PodDirectory; readonly sandbox: SandboxRecord }>()
  readonly #creating = new Set<PodId>()
  readonly #removals = new Map<PodId, Promise<void>>()
  readonly #removed: RemovedPods
  readonly #endMessages = new Map<PodId, string>()
  readonly #diskWatch: DiskWatch
  readonly #spares: SparePods
  /** Connections to the helpers of sandboxes that were made ahead, by the id as which they were made, until they are used. */
  readonly #ahead = new Map<PodId, Socket>()
  readonly #spawner: Spawner

  constructor(options: HostDriverOptions, host: Facts) {
    this.#options = options
    this.#host = host
    this.facts = {
      archs: [host.arch],
      supportsServices: false,
      supportsPrivileged: false,
      description: host.description,
    }
    this.#diskWatch = new DiskWatch({
      dir: host.dirs.pods,
      freePercentMin: host.limits.freeDiskPercentMin,
      clock: options.clock,
      logger: options.logger,
      pods: () => new Map([...this.#pods].map(([id, { directory }]) => [id, directory.path])),
      end: (id, message) => this.#end(id, message),
    })
    this.#spawner = new Spawner(host.dirs.helperFile, options.clock)
    this.#spares = new SparePods({
      make: (id, signal) => this.#makeSpare(id, signal),
      // The machine may have got other files in place of those that it shows.
      isGood: ({ sandbox, shown }) => isAlive(sandbox.init) && shown === identityOfView(host.view),
      remove: (id) => this.removePod(id, options.clock.timeout(limits.podRemoveMs.value)),
      clock: options.clock,
      keptMs: spareKeptMs,
      tasksMax: options.tasksMax ?? Number.POSITIVE_INFINITY,
    })
    this.#removed = new RemovedPods({
      isBusy: () => this.#pods.size > 0,
      clock: options.clock,
      logger: options.logger,
    })
    for (const name of readdirSync(host.dirs.removed)) this.#removed.delete(join(host.dirs.removed, name))
  }

  /** Makes a pod, which the first task gets. */
  async probe(): Promise<void> {
    try {
      if (this.#host.bubblewrap !== undefined) return await this.#spares.prepare()
      const id = `probe-${randomUUID()}`
      await this.#create(id, [], {}, this.#options.clock.timeout(probeMs))
      await this.removePod(id, this.#options.clock.timeout(limits.podRemoveMs.value))
    } catch (cause) {
      throw new SlipwayError('driver_unavailable', `try a sandbox: ${errorMessage(cause)}`, { cause })
    }
  }

  async createPod(spec: PodSpec, { log, signal }: PodOptions): Promise<Pod> {
    signal.throwIfAborted()
    checkPodId(spec.id)
    const reason = needsDocker(spec, this.#host.arch)
    if (reason !== undefined) throw new SlipwayError('driver_unsupported', reason)
    this.#checkDisk()
    for (const line of ignoredSettings(spec)) log(line)
    const main = spec.containers[0]
    invariant(main !== undefined, 'a pod has at least one container')
    return await this.#create(spec.id, main.volumes, main.environment, signal)
  }

  async attachPod(id: PodId, signal: AbortSignal): Promise<Pod | undefined> {
    signal.throwIfAborted()
    checkPodId(id)
    const directory = podDirectory(this.#host.dirs.pods, id)
    const [record, sandbox] = [loadPodRecord(directory), loadSandboxRecord(directory)]
    if (record === undefined || sandbox === undefined || !isAlive(sandbox.init)) return undefined
    return this.#podOf(id, { directory, record, sandbox })
  }

  async listPods(signal: AbortSignal): Promise<readonly PodId[]> {
    signal.throwIfAborted()
    return listPodDirectories(this.#host.dirs.pods).filter((id) => !this.#spares.has(id))
  }

  removePod(id: PodId, signal: AbortSignal): Promise<void> {
    checkPodId(id)
    const running = this.#removals.get(id)
    if (running !== undefined) return running
    const removal = this.#remove(id, signal).finally(() => this.#removals.delete(id))
    this.#removals.set(id, removal)
    return removal
  }

  /** Lets go of pods, which go on, but for one that no task has; waits for deletions that have begun, within limits: the next start goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#pods.clear()
    for (const ahead of this.#ahead.values()) ahead.destroy()
    this.#ahead.clear()
    await this.#spares[Symbol.asyncDispose]()
    await this.#spawner[Symbol.asyncDispose]()
    await this.#diskWatch[Symbol.asyncDispose]()
    await this.#removed[Symbol.asyncDispose]()
  }

  async #create(
    id: PodId,
    volumes: PodContainer['volumes'],
    environment: PlainEnvironment,
    signal: AbortSignal,
  ): Promise<Pod> {
    const directory = podDirectory(this.#host.dirs.pods, id)
    await this.#clearLeftover(id, directory, signal)
    this.#creating.add(id)
    try {
      // Volumes are mounted when a sandbox is made.
      const spare = volumes.length === 0 ? await this.#spares.take() : undefined
      if (spare !== undefined) return this.#adopt(id, directory, spare, environment)
      await makePodDirectory(directory)
      return this.#podOf(id, await this.#start(id, directory, volumes, environment, signal))
    } catch (error) {
      await this.removePod(id, this.#options.clock.timeout(limits.podRemoveMs.value))
      throw error
    } finally {
      this.#creating.delete(id)
    }
  }

  async #makeSpare(id: PodId, disposed: AbortSignal): Promise<SparePod> {
    const directory = podDirectory(this.#host.dirs.pods, id)
    const shown = identityOfView(this.#host.view)
    await makePodDirectory(directory)
    const signal = AbortSignal.any([disposed, this.#options.clock.timeout(probeMs)])
    const started = await this.#start(id, directory, [], {}, signal)
    // A helper that cannot be reached shows when it is used.
    const ahead = await connectAhead(socketOf(directory), signal).catch(() => undefined)
    if (ahead !== undefined) this.#ahead.set(id, ahead)
    return { id, shown, ...started }
  }

  /** Makes the spare the pod `id`, which fails when there is one. Killed at any line, it leaves one pod that can be removed. */
  #adopt(id: PodId, directory: PodDirectory, spare: SparePod, environment: PlainEnvironment): Pod {
    try {
      const record: PodRecord = {
        ...spare.record,
        baseEnvironment: { ...spare.record.baseEnvironment, ...environment },
      }
      if (Object.keys(environment).length > 0) savePodRecord(spare.directory, record)
      renameSync(spare.directory.path, directory.path)
      this.#spares.given(spare.id)
      return this.#podOf(id, { directory, record, sandbox: spare.sandbox })
    } catch (error) {
      this.#spares.discard(spare.id)
      throw error
    }
  }

  /** What a pod of that id left that does not run any more is removed; one that runs is not ours to replace. */
  async #clearLeftover(id: PodId, directory: PodDirectory, signal: AbortSignal): Promise<void> {
    if (!this.#creating.has(id) && !existsSync(directory.path)) return
    const sandbox = loadSandboxRecord(directory)
    if (this.#creating.has(id) || (sandbox !== undefined && isAlive(sandbox.init)))
      throw new SlipwayError('setup_failed', `host driver: there is a pod ${id} already`)
    await this.removePod(id, signal)
  }

  async #start(
    id: PodId,
    directory: PodDirectory,
    volumes: PodContainer['volumes'],
    environment: PlainEnvironment,
    signal: AbortSignal,
  ): Promise<StartedPod> {
    await makePodFolders(directory)
    const { bubblewrap, dirs, uids, view } = this.#host
    const uid = bubblewrap === undefined ? undefined : uids?.claim(directory.path)
    const base = bubblewrap === undefined ? unsandboxedEnvironment(directory) : sandboxEnvironment
    const record: PodRecord = {
      version: 1,
      isSandboxed: bubblewrap !== undefined,
      madeAs: id,
      ...(this.#host.controlGroups === undefined ? {} : { controlGroup: this.#groupName(id) }),
      ...(uid === undefined ? {} : { uid }),
      baseEnvironment: { ...base, ...environment },
    }
    savePodRecord(directory, record)
    if (uid !== undefined) for (const dir of [directory.homeDir, directory.temporaryDir]) chownSync(dir, uid, uid)
    if (bubblewrap === undefined) {
      const command = [dirs.helperFile, ...this.#helperArguments(privateDirDescriptor)] as const
      return { directory, record, sandbox: await startUnsandboxed({ command, directory, signal }) }
    }
    chmodSync(directory.temporaryDir, 0o1777)
    const args = sandboxArguments({
      view,
      paths: { ...directory, ...dirs },
      descriptors: sandboxDescriptors,
      asRoot: uid !== undefined,
      volumes: volumes.map(({ path, tmpfs }) => ({ path, sizeBytes: tmpfs.sizeBytes })),
      command: [helperPath, ...this.#helperArguments(sandboxDescriptors.privateDir)],
    })
    const sandbox = await startSandbox({
      spawner: this.#spawner,
      command: [bubblewrap, ...args],
      directory,
      uid,
      signal,
      ...this.#limited(id),
    })
    return { directory, record, sandbox }
  }

  /** Makes a control group, where there are any, and says how a sandbox gets into it. */
  #limited(id: PodId): Pick<SandboxStart, 'controlGroupTasks' | 'onCreated'> {
    const { controlGroups: groups } = this.#host
    if (groups === undefined) return { controlGroupTasks: [], onCreated: async () => {} }
    const name = this.#groupName(id)
    const { memoryBytesMax, processesMax } = this.#host.limits
    createControlGroup(groups, name, { memoryBytesMax, processesMax: processesMax + helperThreadsMax })
    const tasks = controlGroupTasks(groups, name)
    const isMoved = tasks.length === 0
    return {
      controlGroupTasks: tasks,
      onCreated: async ({ pid }) => (isMoved ? await moveToControlGroup(groups, name, pid) : undefined),
    }
  }

  /** The number of processes is limited by the helper only where it counts those of one task: in a user namespace. */
  #helperArguments(privateDir: number): readonly string[] {
    const { openFilesMax, processesMax, fileBytesMax } = this.#host.limits
    return [
      ...['init', '--dir-fd', String(privateDir), '--nofile', String(openFilesMax), '--fsize', String(fileBytesMax)],
      ...(this.#host.bubblewrap === undefined ? [] : ['--nproc', String(processesMax)]),
    ]
  }

  #podOf(id: PodId, { directory, record, sandbox }: StartedPod): Pod {
    this.#pods.set(id, { directory, sandbox })
    this.#diskWatch.wake()
    const remove = (signal: AbortSignal) => this.removePod(id, signal)
    const enterCommand = enterCommandOf(record, directory, sandbox)
    const inner = createHelperPod({
      id,
      transport: socketTransport(socketOf(directory), () => this.#takeAhead(record.madeAs ?? id)),
      dir: directory.privateDir,
      user: record.uid === undefined ? '' : `${sandboxUser.uid}:${sandboxUser.gid}`,
      inheritEnvironment: false,
      baseEnvironment: record.baseEnvironment,
      enterCommand,
      remove,
      clock: this.#options.clock,
    })
    const group = record.controlGroup ?? this.#groupName(id)
    let memoryKills = this.#memoryKills(group)
    const explain = (exit: StepExit): StepExit => {
      const message = this.#endMessages.get(id) ?? loadEndRecord(directory)?.message
      if (message !== undefined) return { kind: 'lost', message }
      const before = memoryKills
      memoryKills = this.#memoryKills(group)
      const isFailed = exit.kind === 'signaled' || exit.kind === 'lost' || (exit.kind === 'exited' && exit.code !== 0)
      return isFailed && memoryKills > before ? { kind: 'out_of_memory' } : exit
    }
    const onUsed = () => (this.#host.bubblewrap === undefined ? undefined : this.#spares.prepareSoon())
    return new HostPod({ inner, enterCommand, explain, onUsed, remove })
  }

  #takeAhead(madeAs: PodId): Socket | undefined {
    const ahead = this.#ahead.get(madeAs)
    this.#ahead.delete(madeAs)
    return ahead
  }

  #memoryKills(group: string): number {
    const { controlGroups } = this.#host
    return controlGroups === undefined ? 0 : countMemoryKills(controlGroups, group)
  }

  /** Ends a pod for a reason that its steps get as their exit. */
  #end(id: PodId, message: string): void {
    const pod = this.#pods.get(id)
    if (pod === undefined) return
    this.#options.logger.warn('pod ended', { podId: id, reason: message })
    this.#endMessages.set(id, message)
    try {
      saveEndRecord(pod.directory, { version: 1, message })
    } catch (error) {
      // The disk may be full; the reason is then known to this process only.
      this.#options.logger.warn('reason of a pod cannot be saved', { podId: id, error })
    }
    killProcess(pod.sandbox.init)
    this.#pods.delete(id)
  }

  async #remove(id: PodId, signal: AbortSignal): Promise<void> {
    const { controlGroups, dirs, uids } = this.#host
    const { clock } = this.#options
    const directory = podDirectory(dirs.pods, id)
    const record = loadPodRecord(directory)
    this.#takeAhead(record?.madeAs ?? id)?.destroy()
    const sandbox = loadSandboxRecord(directory)
    if (sandbox !== undefined) await endSandbox(sandbox, clock, signal)
    if (record?.isSandboxed === false) await endUnsandboxed(directory, clock, signal)
    const group = record?.controlGroup ?? this.#groupName(id)
    if (controlGroups !== undefined) await removeControlGroup(controlGroups, group, clock)
    // A pod that was cut off before it was recorded may have a uid as well.
    uids?.release(record?.uid, podDirectory(dirs.pods, record?.madeAs ?? id).path)
    this.#pods.delete(id)
    this.#endMessages.delete(id)
    const removed = join(dirs.removed, `${id}-${randomUUID()}`)
    try {
      renameSync(directory.path, removed)
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
      throw error
    }
    this.#removed.delete(removed)
  }

  #checkDisk(): void {
    const free = freePercent(readDiskSpace(this.#host.dirs.pods))
    const kept = this.#host.limits.freeDiskPercentMin
    if (free >= kept) return
    throw new SlipwayError(
      'disk_full',
      `host driver: only ${free.toFixed(1)} % of the disk at ${this.#options.dataDir} is free, ${kept} % are kept: ` +
        'no task is started; make room or use another data directory',
    )
  }

  /** Control groups are shared by all executors of the machine. */
  #groupName(id: PodId): string {
    return `${shortHash(this.#host.dirs.pods)}-${id}`
  }
}

const probeMs = 10_000
/** Tasks of a run come within seconds; a machine that has nothing to do keeps no sandbox. */
const spareKeptMs = 60_000

/** A group counts the helper's threads as well, and a fork bomb must not keep it from making one. */
const helperThreadsMax = 64

/** The helper's socket. */
const socketOf = ({ privateDir }: PodDirectory) => join(privateDir, 's')

/** Absolute path and version (`bubblewrap 0.8.0`); fails with `driver_unavailable` when it cannot be run. */
async function findBubblewrap(program: string): Promise<{ readonly path: string; readonly version: string }> {
  const script = 'path=$(command -v "$1") && echo "$path" && exec "$path" --version'
  const { code, stdout, stderr } = await runProcess('/bin/sh', ['-c', script, 'sh', program])
  const [path, version] = stdout.toString('utf8').split('\n')
  if (code === 0 && path !== undefined && version !== undefined) return { path, version }
  const why = stderr.trim() === '' ? '' : ` (${stderr.trim()})`
  throw new SlipwayError(
    'driver_unavailable',
    `the host driver needs bubblewrap, and ${program} cannot be run${why}: install it`,
  )
}

/** A shell in all namespaces of the sandbox as its user. */
function enterCommandOf({ isSandboxed }: PodRecord, directory: PodDirectory, { init }: SandboxRecord): string {
  const environment = Object.entries(isSandboxed ? sandboxEnvironment : unsandboxedEnvironment(directory))
  const shell = `env -i TERM="$TERM" ${environment.map(([name, value]) => `${name}=${value}`).join(' ')} /bin/sh -i`
  if (!isSandboxed) return `cd ${directory.homeDir} && ${shell}`
  const { uid, gid, home } = sandboxUser
  const namespaces = '--user --mount --pid --ipc --uts --cgroup'
  const user = process.getuid?.() === 0 ? `--setuid ${uid} --setgid ${gid}` : '--preserve-credentials'
  return `nsenter --target ${init.pid} ${namespaces} ${user} --wdns=${home} ${shell}`
}
