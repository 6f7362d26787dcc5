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

export type StoredObject = { readonly bytes: Buffer; readonly modifiedAt: number }
export type BucketCall = 'put' | 'create' | 'read' | 'stat' | 'delete' | 'list'

/** Stands between an instance and the bucket; a plain one just calls. */
export type BucketNetwork = <T>(call: BucketCall, key: string, act: () => T) => Promise<T>

/** What survives everything. */
export class Bucket {
  objects: Map<ObjectKey, StoredObject>
  readonly #clock: Clock
  /** Called when a manifest was created. */
  onCreated: (key: ObjectKey) => void = () => {}

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
    this.onCreated(key)
  }

  list(prefix = '', after = ''): ObjectInfo[] {
    return [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix) && key > after)
      .sort()
      .map((key) => this.stat(key)!)
  }

  stat(key: ObjectKey): ObjectInfo | undefined {
    const found = this.objects.get(key)
    return found && { key, sizeBytes: found.bytes.length, modifiedAt: found.modifiedAt }
  }

  read(key: ObjectKey): Buffer {
    const found = this.objects.get(key)
    if (!found) throw new SlipwayError('object_not_found', `object ${key} does not exist`)
    return found.bytes
  }
}

const plainNetwork: BucketNetwork = async (_call, _key, act) => act()

export class MemoryObjectStorage implements ObjectStorage {
  readonly #bucket: Bucket
  readonly #network: BucketNetwork

  constructor(bucket: Bucket, network: BucketNetwork = plainNetwork) {
    this.#bucket = bucket
    this.#network = network
  }

  async put(key: ObjectKey, data: ObjectData, options: PutOptions = {}): Promise<PutResult> {
    const bytes = await whole(data, options)
    return await this.#network('put', key, () => {
      this.#bucket.put(key, bytes)
      return resultOf(bytes)
    })
  }

  async create(key: ObjectKey, data: ObjectData, options: PutOptions = {}): Promise<PutResult> {
    const bytes = await whole(data, options)
    return await this.#network('create', key, () => {
      this.#bucket.create(key, bytes)
      return resultOf(bytes)
    })
  }

  async *read(key: ObjectKey, { range, signal }: ReadOptions = {}): AsyncGenerator<Uint8Array> {
    signal?.throwIfAborted()
    const bytes = await this.#network('read', key, () => this.#bucket.read(key))
    yield Buffer.from(bytes.subarray(range?.start ?? 0, range?.end ?? bytes.length))
  }

  async stat(key: ObjectKey, signal?: AbortSignal): Promise<ObjectInfo | undefined> {
    signal?.throwIfAborted()
    return await this.#network('stat', key, () => this.#bucket.stat(key))
  }

  async delete(key: ObjectKey, signal?: AbortSignal): Promise<boolean> {
    signal?.throwIfAborted()
    return await this.#network('delete', key, () => this.#bucket.objects.delete(key))
  }

  async *list({ prefix, after, signal }: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    signal?.throwIfAborted()
    yield* await this.#network('list', prefix ?? '', () => this.#bucket.list(prefix, after))
  }

  async [Symbol.asyncDispose](): Promise<void> {}
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
