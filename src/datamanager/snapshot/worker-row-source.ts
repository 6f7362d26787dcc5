// A row source in a worker thread, so that neither reading nor compressing delays anybody else.

import { Worker } from 'node:worker_threads'
import { type ErrorCode, SlipwayError } from '../../lib/errors.ts'
import type { Position } from '../database.ts'
import type { DataFile, EncodedDataFile } from './data-file.ts'
import type { IdRange } from './ranges.ts'
import type { Cut, Patch, Piece, RangeState, RowSource, RowSourceOptions } from './row-source.ts'

export type WorkerCall = {
  readonly number: number
  readonly method: keyof RowSource
  readonly values: readonly unknown[]
}
export type WorkerAnswer = {
  readonly number: number
  readonly result: unknown
  readonly error?: { readonly code: ErrorCode; readonly message: string }
}

type Waiting = { resolve(value: unknown): void; reject(error: unknown): void }

/** The file of the thread beside this one; in a bundle it is JavaScript. */
const workerFile = new URL(
  import.meta.url.endsWith('.ts') ? './snapshot-worker.ts' : './snapshot-worker.js',
  import.meta.url,
)

export class WorkerRowSource implements RowSource {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #calls = 0
  #ended: SlipwayError | undefined

  constructor(options: RowSourceOptions) {
    this.#worker = new Worker(workerFile, { workerData: options, name: 'snapshot' })
    this.#worker.on('message', (answer: WorkerAnswer) => {
      const waiting = this.#waiting.get(answer.number)
      this.#waiting.delete(answer.number)
      if (answer.error) waiting?.reject(new SlipwayError(answer.error.code, answer.error.message))
      else waiting?.resolve(answer.result)
    })
    this.#worker.on('error', (cause) => this.#end(cause))
    this.#worker.on('exit', () => this.#end(undefined))
  }

  types(): Promise<readonly string[]> {
    return this.#call('types')
  }
  chooseFamilies(): Promise<void> {
    return this.#call('chooseFamilies')
  }
  areFamiliesClean(range: IdRange, files: readonly DataFile[]): Promise<boolean> {
    return this.#call('areFamiliesClean', range, files)
  }
  beginFamilies(range: IdRange): Promise<void> {
    return this.#call('beginFamilies', range)
  }
  addFamilies(file: DataFile, rows: Uint8Array): Promise<readonly EncodedDataFile[]> {
    return this.#call('addFamilies', file, rows)
  }
  endFamilies(): Promise<readonly EncodedDataFile[]> {
    return this.#call('endFamilies')
  }
  isClean(range: IdRange, at: RangeState): Promise<boolean> {
    return this.#call('isClean', range, at)
  }
  encode(range: IdRange): Promise<Piece> {
    return this.#call('encode', range)
  }
  openCut(): Promise<Cut> {
    return this.#call('openCut')
  }
  readOverlay(keys: readonly string[]): Promise<void> {
    return this.#call('readOverlay', keys)
  }
  planPatches(files: readonly DataFile[]): Promise<readonly Patch[]> {
    return this.#call('planPatches', files)
  }
  patch(patch: Patch, rows: Uint8Array | undefined): Promise<readonly EncodedDataFile[] | undefined> {
    return this.#call('patch', patch, rows)
  }
  exportLines(file: DataFile, rows: Uint8Array, type: string): Promise<Uint8Array> {
    return this.#call('exportLines', file, rows, type)
  }
  encodeTransactions(position: Position, after: string): Promise<Piece> {
    return this.#call('encodeTransactions', position, after)
  }

  async close(): Promise<void> {
    if (!this.#ended) await this.#call('close').catch(() => undefined) // It ends in any case.
    await this.#worker.terminate()
  }

  #call<T>(method: keyof RowSource, ...values: readonly unknown[]): Promise<T> {
    if (this.#ended) return Promise.reject(this.#ended)
    const number = this.#calls++
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(number, { resolve: resolve as (value: unknown) => void, reject }) // the answer to this method
      this.#worker.postMessage({ number, method, values } satisfies WorkerCall)
    })
  }

  #end(cause: unknown): void {
    this.#ended ??= new SlipwayError('snapshot_impossible', 'the thread that makes snapshots has ended', { cause })
    for (const { reject } of this.#waiting.values()) reject(this.#ended)
    this.#waiting.clear()
  }
}
