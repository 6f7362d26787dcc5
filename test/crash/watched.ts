// The injected components of an installation, each with its effects told to an EffectWatch. They do nothing else.

import type { Driver, Pod, StepProcess } from '../../src/executor/driver.ts'
import { type CloneOptions, GitMirrors, type Note } from '../../src/executor/git/mirrors.ts'
import type { Journal } from '../../src/executor/journal.ts'
import type { Clock } from '../../src/lib/clock.ts'
import type { ObjectKey, ObjectStorage } from '../../src/objectstorage/object-storage.ts'
import type { CloneSource, ExecutorApi } from '../../src/runservice/executor-api.ts'
import type { Effect, EffectWatch } from './effects.ts'

/** For `openDatabase`: records are appended and committed by calls to SQLite. */
export function watchedStorageCalls(watch: EffectWatch) {
  const names: Readonly<Record<string, Effect>> = { append: 'record appended', commit: 'record committed' }
  return <T>(name: string, call: () => T): T => {
    const effect = names[name]
    return effect === undefined ? call() : watch.sync(effect, call)
  }
}

export function watchedJournal(journal: Journal, watch: EffectWatch): Journal {
  return {
    save: (entry) => watch.sync('journal written', () => journal.save(entry)),
    find: (id) => journal.find(id),
    ids: () => journal.ids(),
    delete: (id) => watch.sync('journal removed', () => journal.delete(id)),
  }
}

export class WatchedMirrors extends GitMirrors {
  readonly #watch: EffectWatch

  constructor(settings: { readonly dir: string }, components: { readonly clock: Clock; readonly watch: EffectWatch }) {
    super(settings, components)
    this.#watch = components.watch
  }

  override async packedTree(
    source: CloneSource,
    options: CloneOptions,
    note: Note,
    signal: AbortSignal,
  ): Promise<string> {
    return await this.#watch.around('tree packed', () => super.packedTree(source, options, note, signal))
  }
}

export function watchedObjectStorage(ost: ObjectStorage, watch: EffectWatch): ObjectStorage {
  return {
    put: (key, data, options) => watch.around(effectOfWrite(key), () => ost.put(key, data, options)),
    create: (key, data, options) => watch.around(effectOfWrite(key), () => ost.create(key, data, options)),
    read: (key, options) => ost.read(key, options),
    stat: (key, signal) => ost.stat(key, signal),
    delete: (key, signal) => watch.around('object deleted', () => ost.delete(key, signal)),
    list: (options) => ost.list(options),
    [Symbol.asyncDispose]: () => ost[Symbol.asyncDispose](),
  }
}

function effectOfWrite(key: ObjectKey): Effect {
  if (key.startsWith('logs/')) return key.endsWith('/end') ? 'trailer stored' : 'frame stored'
  if (key.startsWith('archives/')) return 'archive stored'
  return key.includes('/data/') ? 'cache stored' : 'cache entry created'
}

export function watchedApi(api: ExecutorApi, watch: EffectWatch): ExecutorApi {
  return {
    async *connect(hello, signal) {
      for await (const message of api.connect(hello, signal)) {
        watch.before('order received')
        yield message
        watch.after('order received')
      }
    },
    report: (report, signal) => watch.around('status sent', () => api.report(report, signal)),
    cloneUrl: (id, signal) => api.cloneUrl(id, signal),
    logPosition: (id, log, signal) => watch.around('log begun', () => api.logPosition(id, log, signal)),
    storeFrame: (id, log, frame, signal) => watch.around('frame sent', () => api.storeFrame(id, log, frame, signal)),
    offerLive: (id, log, firstByte, bytes) => api.offerLive(id, log, firstByte, bytes),
    finishLog: (id, log, signal) => watch.around('log finished', () => api.finishLog(id, log, signal)),
    saveArchive: (id, step, data, signal) =>
      watch.around('archive sent', () => api.saveArchive(id, step, data, signal)),
    readArchive: (id, archive, signal) => api.readArchive(id, archive, signal),
    findCache: (id, key, options, signal) =>
      watch.around('cache looked up', () => api.findCache(id, key, options, signal)),
    readCache: (id, cache, signal) => api.readCache(id, cache, signal),
    saveCache: (id, key, data, signal) => watch.around('cache sent', () => api.saveCache(id, key, data, signal)),
  }
}

export function watchedDriver(driver: Driver, watch: EffectWatch): Driver {
  return {
    name: driver.name,
    facts: driver.facts,
    createPod: async (spec, options) =>
      watchedPod(await watch.around('pod created', () => driver.createPod(spec, options)), watch),
    attachPod: async (id, signal) => {
      const pod = await watch.around('pod attached', () => driver.attachPod(id, signal))
      return pod === undefined ? undefined : watchedPod(pod, watch)
    },
    listPods: (signal) => driver.listPods(signal),
    removePod: (id, signal) => watch.around('pod removed', () => driver.removePod(id, signal)),
    [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
  }
}

function watchedPod(pod: Pod, watch: EffectWatch): Pod {
  return {
    id: pod.id,
    enterCommand: pod.enterCommand,
    start: async (command, signal) =>
      watchedStep(await watch.around('step started', () => pod.start(command, signal)), watch),
    attach: async (stepId, offset, signal) =>
      watchedStep(await watch.around('step attached', () => pod.attach(stepId, offset, signal)), watch),
    async *archive(request, signal) {
      for await (const chunk of pod.archive(request, signal)) {
        watch.before('files packed')
        yield chunk
        watch.after('files packed')
      }
    },
    unarchive: (request, data, signal) => watch.around('files unpacked', () => pod.unarchive(request, data, signal)),
    query: (query, signal) => pod.query(query, signal),
    remove: (signal) => watch.around('pod removed', () => pod.remove(signal)),
  }
}

function watchedStep(step: StepProcess, watch: EffectWatch): StepProcess {
  const exit = watch.around('step ended', () => step.exit)
  // Who does not wait for the exit need not know that the step was let go of.
  exit.catch(() => {})
  return {
    async *output() {
      for await (const chunk of step.output()) {
        watch.before('output read')
        yield chunk
        watch.after('output read')
      }
    },
    exit,
    release: (offset) => watch.sync('output released', () => step.release(offset)),
    interrupt: () => step.interrupt(),
    kill: () => step.kill(),
    [Symbol.asyncDispose]: () => step[Symbol.asyncDispose](),
  }
}
