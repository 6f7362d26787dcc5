// Object storage in memory that several instances share, with the faults of a network between them and it.

import { createHash } from 'node:crypto'
import { collectBytes } from '../../lib/bytes.ts'
import type { Clock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import type {
  ListOptions,
  ObjectData,
  ObjectInfo,
  ObjectKey,
  ObjectStorage,
  PutOptions,
  PutResult,
  ReadOptions,
} from '../../objectstorage/object-storage.ts'
import type { Request } from './memory-log.ts'

export type StoredObject = { readonly bytes: Buffer; readonly modifiedAt: number }
export type BucketCall = 'put' | 'create' | 'read' | 'stat' | 'delete' | 'list'

/** Stands between an instance and the bucket; a plain one just calls. */
export type BucketNetwork = <T>(call: BucketCall, key: string, request: Request<T>) => Promise<T>

/** So long after its creation a store that shows things late may say that an object is not there. */
const shownLateMs = 100

/** What survives everything. */
export class Bucket {
  objects: Map<ObjectKey, StoredObject>
  readonly #clock: Clock
  #oldListing: readonly ObjectInfo[] = []
  /** Called when an object was created. */
  onCreated: (key: ObjectKey, bytes: Buffer) => void = () => {}

  constructor(clock: Clock, objects: ReadonlyMap<ObjectKey, StoredObject> = new Map()) {
    this.#clock = clock
    this.objects = new Map(objects)
  }

  put(key: ObjectKey, bytes: Buffer): void {
    this.objects.set(key, { bytes, modifiedAt: this.#clock.now() })
  }

  create(key: ObjectKey, bytes: Buffer): void {
    if (this.objects.has(key)) throw new SlipwayError('object_exists', `object ${key} exists`)
    this.put(key, bytes)
    this.onCreated(key, bytes)
  }

  list(prefix = '', after = ''): ObjectInfo[] {
    return [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix) && key > after)
      .sort()
      .map((key) => this.stat(key)!)
  }

  /** Listings may be as old as this moment from now on. */
  rememberListing(): void {
    this.#oldListing = this.list()
  }

  listOld(prefix = '', after = ''): ObjectInfo[] {
    return this.#oldListing.filter(({ key }) => key.startsWith(prefix) && key > after)
  }

  stat(key: ObjectKey): ObjectInfo | undefined {
    const found = this.objects.get(key)
    return found && { key, sizeBytes: found.bytes.length, modifiedAt: found.modifiedAt }
  }

  read(key: ObjectKey): Buffer {
    const found = this.objects.get(key)
    if (!found) throw notFound(key)
    return found.bytes
  }

  /**
   * Whether it may be shown late. Not what others are asked to find before they may be believed: a store that shows the
   * marks of a log late is unfit for it (docs/storage.md, "On object storage").
   */
  isNew(key: ObjectKey): boolean {
    const found = this.objects.get(key)
    if (!found || key.includes('/root/') || key.includes('/low/')) return false
    return this.#clock.now() - found.modifiedAt < shownLateMs
  }
}

const plainNetwork: BucketNetwork = async (_call, _key, { act }) => act()

export class MemoryObjectStorage implements ObjectStorage {
  readonly #bucket: Bucket
  readonly #network: BucketNetwork

  constructor(bucket: Bucket, network: BucketNetwork = plainNetwork) {
    this.#bucket = bucket
    this.#network = network
  }

  async put(key: ObjectKey, data: ObjectData, options: PutOptions = {}): Promise<PutResult> {
    const bytes = await whole(data, options)
    return await this.#network('put', key, {
      act: () => {
        this.#bucket.put(key, bytes)
        return resultOf(bytes)
      },
    })
  }

  async create(key: ObjectKey, data: ObjectData, options: PutOptions = {}): Promise<PutResult> {
    const bytes = await whole(data, options)
    return await this.#network('create', key, {
      act: () => {
        this.#bucket.create(key, bytes)
        return resultOf(bytes)
      },
    })
  }

  async *read(key: ObjectKey, { range, signal }: ReadOptions = {}): AsyncGenerator<Uint8Array> {
    signal?.throwIfAborted()
    const bytes = await this.#network('read', key, {
      act: () => this.#bucket.read(key),
      ...this.#lateUnlessOld<Buffer>(key, () => {
        throw notFound(key)
      }),
      // Every storage compares what it reads with the hash in the footer.
      damaged: () => {
        throw new SlipwayError('object_corrupt', `object ${key} is damaged`)
      },
    })
    yield Buffer.from(bytes.subarray(range?.start ?? 0, range?.end ?? bytes.length))
  }

  async stat(key: ObjectKey, signal?: AbortSignal): Promise<ObjectInfo | undefined> {
    signal?.throwIfAborted()
    return await this.#network('stat', key, {
      act: () => this.#bucket.stat(key),
      ...this.#lateUnlessOld<ObjectInfo | undefined>(key, () => undefined),
    })
  }

  async delete(key: ObjectKey, signal?: AbortSignal): Promise<boolean> {
    signal?.throwIfAborted()
    return await this.#network('delete', key, { act: () => this.#bucket.objects.delete(key) })
  }

  async *list({ prefix, after, signal }: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    signal?.throwIfAborted()
    yield* await this.#network('list', prefix ?? '', {
      act: () => this.#bucket.list(prefix, after),
      stale: () => this.#bucket.listOld(prefix, after),
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #lateUnlessOld<T>(key: ObjectKey, stale: () => T): Pick<Request<T>, 'stale'> {
    return this.#bucket.isNew(key) ? { stale } : {}
  }
}

function notFound(key: ObjectKey): SlipwayError {
  return new SlipwayError('object_not_found', `object ${key} does not exist`)
}

async function whole(data: ObjectData, { signal, sha256 }: PutOptions): Promise<Buffer> {
  signal?.throwIfAborted()
  const bytes = data instanceof Uint8Array ? Buffer.from(data) : await collectBytes(data)
  if (sha256 !== undefined && sha256 !== resultOf(bytes).sha256)
    throw new SlipwayError('object_corrupt', 'the object is not what was announced')
  return bytes
}

function resultOf(bytes: Buffer): PutResult {
  return { sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}
