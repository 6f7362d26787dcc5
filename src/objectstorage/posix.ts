// Object storage in a directory.
//
//   <root>/data/...   one file per object, named by posix-names.ts: content, then a footer with size and SHA-256
//   <root>/tmp/...    files being written: the mark of their writer (process-mark.ts), `-`, a random name
//
// Content and checksum are one file, so they change together, whenever the machine stops. A file is written in tmp, synced,
// and then appears under its name whole: by rename (put) or by link (create, which fails when the name is taken); then its
// directory is synced, and those above as far as they may be new (known-folders.ts). A directory that lost its last object is
// removed; a writer that made it a moment before makes it again.

import { createHash, hash, randomUUID } from 'node:crypto'
import {
  closeSync,
  constants,
  type Dirent,
  fsync,
  futimesSync,
  linkSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { type FileHandle, lstat, mkdir, open, readdir, realpath, rm, rmdir, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { type Clock, systemClock } from '../lib/clock.ts'
import { ignoring, isErrno } from '../lib/errno.ts'
import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import { hasMarkedProcessEnded, markOfThisProcess } from '../lib/process-mark.ts'
import { KnownFolders } from './known-folders.ts'
import { decodeFooter, encodeFooter, footerBytes, objectCorrupt } from './object-footer.ts'
import { checkObjectKey } from './object-key.ts'
import { checkAnnounced, chunksOf, DataMeter, SourceFailure } from './object-source.ts'
import type {
  ListOptions,
  ObjectData,
  ObjectInfo,
  ObjectKey,
  ObjectStorage,
  PutOptions,
  PutResult,
  ReadOptions,
} from './object-storage.ts'
import { deepestFolder, parseName, pathOfKey } from './posix-names.ts'

const chunkBytes = 256 * 1024
/**
 * Written here and not in another thread, as is everything that only changes names: each trip there costs ten times the call,
 * and more while the processors have other work. What waits for the disk is the sync, and that goes there. So much takes
 * 0.1 ms, and most frames of a fast log are less.
 */
const smallBytes = 512 * 1024
const sync = promisify(fsync)
/** A large object is synced while it is written, so that its end waits for little. */
const syncEveryBytes = 32 * 1024 * 1024
/** A directory may vanish again between making it and using it, but not for ever. */
const vanishedRetries = 100
/** Sizes and times of a listing are asked this many at once. */
const statsAtOnce = 32

export type PosixObjectStorageSettings = {
  /** Made when missing, readable by its owner only. Everything below belongs to the storage. */
  readonly root: string
  readonly clock?: Clock
}

/**
 * Opens the storage in `root` and removes the temporary files of processes that have ended, and those older than
 * `limits.temporaryFileAgeMs`. Several processes may
 * have it open. `disk_full` when there is no room; other trouble of the disk is `object_storage_failed`.
 */
export async function openPosixObjectStorage(settings: PosixObjectStorageSettings): Promise<ObjectStorage> {
  const clock = settings.clock ?? systemClock
  return await withStorageErrors(`open object storage ${settings.root}`, async () => {
    await mkdir(settings.root, { recursive: true, mode: 0o700 })
    const root = await realpath(settings.root)
    const storage = { data: join(root, 'data'), temporary: join(root, 'tmp') }
    for (const folder of [storage.data, storage.temporary]) await mkdir(folder, { recursive: true, mode: 0o700 })
    for (const folder of [root, dirname(root)]) await syncDirectory(folder)
    await removeLeftTemporaryFiles(storage.temporary, clock)
    return new PosixObjectStorage(storage, clock)
  })
}

class PosixObjectStorage implements ObjectStorage {
  readonly #data: string
  readonly #temporary: string
  readonly #mark = markOfThisProcess()
  readonly #clock: Clock
  readonly #known = new KnownFolders()

  constructor(folders: { readonly data: string; readonly temporary: string }, clock: Clock) {
    this.#data = folders.data
    this.#temporary = folders.temporary
    this.#clock = clock
  }

  async put(key: ObjectKey, data: ObjectData, options: PutOptions = {}): Promise<PutResult> {
    return await this.#write(key, data, options, { publish: renameSync, keepsTemporary: false })
  }

  async create(key: ObjectKey, data: ObjectData, options: PutOptions = {}): Promise<PutResult> {
    return await this.#write(key, data, options, { publish: linkSync, keepsTemporary: true })
  }

  async *read(key: ObjectKey, options: ReadOptions = {}): AsyncGenerator<Uint8Array> {
    const path = this.#pathOf(key)
    options.signal?.throwIfAborted()
    await using file = await this.#open(key, path)
    const footer = await withStorageErrors(`read object ${key}`, () => readFooter(file, key))
    const start = options.range?.start ?? 0
    const end = Math.min(options.range?.end ?? footer.sizeBytes, footer.sizeBytes)
    const hash = start === 0 && end === footer.sizeBytes ? createHash('sha256') : undefined
    let offset = start
    do {
      options.signal?.throwIfAborted()
      const length = Math.max(0, Math.min(chunkBytes, end - offset))
      const chunk = await withStorageErrors(`read object ${key}`, () => readAt(file, offset, length))
      if (chunk.length < length) throw objectCorrupt(key, 'is shorter than it was')
      hash?.update(chunk)
      offset += length
      // Before the last chunk is handed out, so that what fits in one chunk is never seen damaged.
      if (offset >= end && hash !== undefined && hash.digest('hex') !== footer.sha256)
        throw objectCorrupt(key, 'does not have its checksum')
      if (chunk.length > 0) yield chunk
    } while (offset < end)
  }

  async stat(key: ObjectKey, signal?: AbortSignal): Promise<ObjectInfo | undefined> {
    const path = this.#pathOf(key)
    signal?.throwIfAborted()
    return await withStorageErrors(`look up object ${key}`, async () => {
      await this.#checkInside(dirname(path)).catch(ignoring('ENOENT'))
      return await infoOf(key, path)
    })
  }

  async delete(key: ObjectKey, signal?: AbortSignal): Promise<boolean> {
    const path = this.#pathOf(key)
    signal?.throwIfAborted()
    return await withStorageErrors(`delete object ${key}`, async () => {
      await this.#checkInside(dirname(path)).catch(ignoring('ENOENT'))
      const isDeleted = await unlink(path).then(() => true, ignoring('ENOENT'))
      if (isDeleted !== true) return false
      await this.#removeEmptyFolders(dirname(path))
      return true
    })
  }

  async *list(options: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    const prefix = Buffer.from(options.prefix ?? '').toString('latin1')
    const after = Buffer.from(options.after ?? '').toString('latin1')
    const { path, base } = deepestFolder(prefix)
    yield* this.#walk(join(this.#data, path), base, { prefix, after, signal: options.signal })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#known[Symbol.dispose]()
  }

  /** Objects of a folder and those below it in byte order of whole keys: a folder sorts as if it ended with a slash. */
  async *#walk(
    folder: string,
    base: string,
    bounds: { readonly prefix: string; readonly after: string; readonly signal: AbortSignal | undefined },
  ): AsyncGenerator<ObjectInfo> {
    bounds.signal?.throwIfAborted()
    const entries = entriesOf(await this.#readFolder(folder), base).filter(({ kind, text }) =>
      kind === 'object'
        ? text.startsWith(bounds.prefix) && text > bounds.after
        : (text.startsWith(bounds.prefix) || bounds.prefix.startsWith(text)) &&
          (text > bounds.after || bounds.after.startsWith(text)),
    )
    for (let at = 0; at < entries.length; ) {
      bounds.signal?.throwIfAborted()
      const entry = entries[at]!
      if (entry.kind !== 'object') {
        yield* this.#walk(join(folder, entry.name), entry.text, bounds)
        at++
        continue
      }
      const folderAt = entries.findIndex(({ kind }, index) => index > at && kind !== 'object')
      const objects = entries.slice(at, Math.min(at + statsAtOnce, folderAt === -1 ? entries.length : folderAt))
      const infos = await withStorageErrors('list objects', () =>
        Promise.all(
          objects.map(({ text, name }) => infoOf(Buffer.from(text, 'latin1').toString(), join(folder, name))),
        ),
      )
      for (const info of infos) if (info !== undefined) yield info
      at += objects.length
    }
  }

  /** Empty when it is not there (any more). */
  async #readFolder(folder: string): Promise<Dirent[]> {
    return await withStorageErrors(`list ${folder}`, async () => {
      try {
        await this.#checkInside(folder)
        return await readdir(folder, { withFileTypes: true })
      } catch (error) {
        if (isErrno(error, 'ENOENT')) return []
        throw error
      }
    })
  }

  async #write(
    key: ObjectKey,
    data: ObjectData,
    options: PutOptions,
    way: {
      readonly publish: (temporary: string, path: string) => void
      /** Whether the temporary name still stands after publishing. */
      readonly keepsTemporary: boolean
    },
  ): Promise<PutResult> {
    const path = this.#pathOf(key)
    options.signal?.throwIfAborted()
    const temporary = join(this.#temporary, `${this.#mark}-${randomUUID()}`)
    return await withStorageErrors(`write object ${key}`, async () => {
      try {
        const isSmall = data instanceof Uint8Array && data.length <= smallBytes
        const result = isSmall
          ? await this.#writeSmallTemporary(temporary, key, data, options)
          : await this.#writeTemporary(temporary, key, data, options)
        options.signal?.throwIfAborted()
        this.#publish(key, path, () => way.publish(temporary, path))
        if (way.keepsTemporary) unlinkSync(temporary)
        if (options.persist ?? true) await this.#syncFolders(dirname(path))
        return result
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
    })
  }

  async #writeTemporary(temporary: string, key: ObjectKey, data: ObjectData, options: PutOptions): Promise<PutResult> {
    await using file = await open(temporary, 'wx', 0o600)
    const { persist = true } = options
    const writer = new FileAppender(file, { persist })
    const meter = new DataMeter(key, options)
    for await (const chunk of chunksOf(data, options.signal)) {
      meter.add(chunk)
      await writer.append(chunk)
    }
    const { result, footer } = meter.finish()
    await writer.append(footer)
    await writer.flush()
    const seconds = this.#clock.now() / 1000
    await file.utimes(seconds, seconds)
    if (persist) await writer.sync()
    return result
  }

  async #writeSmallTemporary(
    temporary: string,
    key: ObjectKey,
    data: Uint8Array,
    options: PutOptions,
  ): Promise<PutResult> {
    const digest = hash('sha256', data, 'buffer')
    const result = { sizeBytes: data.length, sha256: digest.toString('hex') }
    checkAnnounced(key, result, options)
    const file = openSync(temporary, 'wx', 0o600)
    try {
      for (const bytes of [data, encodeFooter(data.length, digest)])
        for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
      const seconds = this.#clock.now() / 1000
      futimesSync(file, seconds, seconds)
      if (options.persist ?? true) await sync(file)
    } finally {
      closeSync(file)
    }
    return result
  }

  #publish(key: ObjectKey, path: string, publish: () => void): void {
    for (let attempt = 1; ; attempt++) {
      try {
        // Mostly the folder is there.
        if (attempt > 1) mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
        const folder = dirname(path)
        checkIsItself(folder, realpathSync.native(folder))
        publish()
        return
      } catch (error) {
        if (isErrno(error, 'EEXIST') && error.syscall === 'link')
          throw new SlipwayError('object_exists', `object ${key} exists`, { cause: error })
        // Somebody deleted the last other object of the folder and then the folder.
        if (!isErrno(error, 'ENOENT') || attempt === vanishedRetries) throw error
      }
    }
  }

  /** That folder, and those above that may have got a new one, made by us or by somebody at the same time. */
  async #syncFolders(deepest: string): Promise<void> {
    const folders = [deepest]
    const isNew = (folder: string) => folder.length > this.#data.length && !this.#known.has(folder)
    for (let folder = deepest; isNew(folder); folder = dirname(folder)) folders.push(dirname(folder))
    const pins = folders.slice(0, -1).map((folder) => this.#known.pin(folder))
    try {
      // A folder that is gone held nothing any more: our object was deleted since.
      await Promise.all(folders.map((folder) => syncDirectory(folder).catch(ignoring('ENOENT'))))
      for (const pin of pins) pin?.keep()
    } catch (error) {
      for (const pin of pins) pin?.drop()
      throw error
    }
  }

  async #removeEmptyFolders(deepest: string): Promise<void> {
    let folder = deepest
    for (; folder.length > this.#data.length; folder = dirname(folder)) {
      try {
        await rmdir(folder)
      } catch (error) {
        if (isErrno(error, 'ENOTEMPTY', 'EEXIST')) break
        if (!isErrno(error, 'ENOENT')) throw error
      }
    }
    await syncDirectory(folder).catch(ignoring('ENOENT'))
  }

  #pathOf(key: ObjectKey): string {
    checkObjectKey(key)
    return join(this.#data, pathOfKey(key))
  }

  async #open(key: ObjectKey, path: string): Promise<FileHandle> {
    return await withStorageErrors(`read object ${key}`, async () => {
      try {
        await this.#checkInside(dirname(path))
        return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
      } catch (error) {
        if (isErrno(error, 'ENOENT'))
          throw new SlipwayError('object_not_found', `object ${key} does not exist`, { cause: error })
        throw error
      }
    })
  }

  /** We never make symbolic links, so one on the way was put there by somebody and leads elsewhere. */
  async #checkInside(folder: string): Promise<void> {
    checkIsItself(folder, await realpath(folder))
  }
}

/** Gathers small chunks into large writes; large ones are written as they are. */
class FileAppender {
  readonly #file: FileHandle
  #gathered: Uint8Array = new Uint8Array(0)
  #gatheredBytes = 0
  #offset = 0
  readonly #persist: boolean
  #syncedBytes = 0
  #isSyncing = false
  /** What was synced on the way; the kernel tells of a failure once, so it is kept for the end. */
  #synced: Promise<void> = Promise.resolve()

  constructor(file: FileHandle, { persist }: { readonly persist: boolean }) {
    this.#file = file
    this.#persist = persist
  }

  async append(chunk: Uint8Array): Promise<void> {
    const isLarge = chunk.length >= chunkBytes / 2
    if (isLarge || this.#gatheredBytes + chunk.length > chunkBytes) await this.flush()
    if (isLarge) return await this.#write(chunk)
    const needed = this.#gatheredBytes + chunk.length
    if (needed > this.#gathered.length) {
      const larger = new Uint8Array(Math.min(chunkBytes, Math.max(4096, needed * 2)))
      larger.set(this.#gathered.subarray(0, this.#gatheredBytes))
      this.#gathered = larger
    }
    this.#gathered.set(chunk, this.#gatheredBytes)
    this.#gatheredBytes = needed
  }

  async flush(): Promise<void> {
    await this.#write(this.#gathered.subarray(0, this.#gatheredBytes))
    this.#gatheredBytes = 0
  }

  async sync(): Promise<void> {
    await this.#synced
    await this.#file.sync()
  }

  #syncSome(): void {
    this.#syncedBytes = this.#offset
    this.#isSyncing = true
    this.#synced = this.#synced
      .then(() => this.#file.datasync())
      .finally(() => {
        this.#isSyncing = false
      })
    this.#synced.catch(() => {}) // Heard of by sync.
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, at, bytes.length - at, this.#offset)
      at += bytesWritten
      this.#offset += bytesWritten
    }
    if (this.#persist && !this.#isSyncing && this.#offset - this.#syncedBytes >= syncEveryBytes) this.#syncSome()
  }
}

type Entry = { readonly kind: 'object' | 'folder' | 'continued'; readonly name: string; readonly text: string }

/** What is not ours (a symbolic link, `lost+found`) is not an object and is passed over. */
function entriesOf(found: readonly Dirent[], base: string): Entry[] {
  const entries: Entry[] = []
  for (const item of found) {
    const parsed = parseName(item.name)
    if (parsed === undefined || (parsed.kind === 'object' ? !item.isFile() : !item.isDirectory())) continue
    const text = base + parsed.text + (parsed.kind === 'folder' ? '/' : '')
    entries.push({ kind: parsed.kind, name: item.name, text })
  }
  return entries.sort((a, b) => (a.text < b.text ? -1 : 1))
}

/** Undefined when there is no such object. A file that lost its footer has no content: reading it says that it is corrupt. */
async function infoOf(key: ObjectKey, path: string): Promise<ObjectInfo | undefined> {
  const found = await lstat(path).catch(ignoring('ENOENT'))
  if (found === undefined || !found.isFile()) return undefined
  return { key, sizeBytes: Math.max(0, found.size - footerBytes), modifiedAt: Math.round(found.mtimeMs) }
}

async function readFooter(file: FileHandle, key: ObjectKey): Promise<PutResult> {
  const { size } = await file.stat()
  const sizeBytes = size - footerBytes
  const footer = sizeBytes < 0 ? Buffer.alloc(0) : await readAt(file, sizeBytes, footerBytes)
  return decodeFooter(key, footer, sizeBytes)
}

/** Fewer bytes than asked for only at the end of the file. */
async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, offset + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

/** Those whose writer has ended, and old ones, whose writer may have been on another machine. */
async function removeLeftTemporaryFiles(folder: string, clock: Clock): Promise<void> {
  const oldest = clock.now() - limits.temporaryFileAgeMs.value
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    if (hasMarkedProcessEnded(name.slice(0, name.indexOf('-')))) {
      await rm(path, { force: true, recursive: true })
      continue
    }
    const found = await stat(path).catch(ignoring('ENOENT'))
    if (found !== undefined && found.mtimeMs < oldest) await rm(path, { force: true, recursive: true })
  }
}

async function syncDirectory(folder: string): Promise<void> {
  const handle = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await sync(handle)
  } finally {
    closeSync(handle)
  }
}

function checkIsItself(folder: string, realPath: string): void {
  if (realPath !== folder)
    throw new SlipwayError('object_storage_failed', `${folder} is reached through a symbolic link`)
}

/** Errors of system calls become ours; all others go through unchanged. */
async function withStorageErrors<T>(attempt: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (error instanceof SourceFailure) throw error.error
    if (isErrno(error, 'ENOSPC', 'EDQUOT'))
      throw new SlipwayError('disk_full', `${attempt}: the disk is full; make room and try again`, { cause: error })
    if (!(error instanceof Error && 'syscall' in error)) throw error
    throw new SlipwayError('object_storage_failed', `${attempt}: ${error.message}`, { cause: error })
  }
}
