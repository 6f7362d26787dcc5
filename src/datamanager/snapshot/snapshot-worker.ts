// The thread in which snapshots are read and encoded: answers the calls of WorkerRowSource.

import { constants, getPriority, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { errorMessage, invariant, isSlipwayError } from '../../lib/errors.ts'
import { sqliteError } from '../read-model/sqlite.ts'
import type { EncodedDataFile } from './data-file.ts'
import { LocalRowSource, type RowSource, type RowSourceOptions } from './row-source.ts'
import type { WorkerAnswer, WorkerCall } from './worker-row-source.ts'

invariant(parentPort, 'this file is the main file of a worker thread')
const port = parentPort
/** A thread that is not nice gets three times as much of a processor. */
const niceness = 5
giveWay()
const source: RowSource = new LocalRowSource(workerData as RowSourceOptions)

port.on('message', (call: WorkerCall) => {
  answer(call).then(
    (message) => port.postMessage(message, buffersOf(message.result)),
    (error: unknown) => port.postMessage(asFailure(call, error)),
  )
})

/**
 * Nobody waits for a snapshot: where processors are few, this thread comes after the one that commits and answers. On Linux
 * threads have priorities of their own; elsewhere it would be the one of the whole process.
 */
function giveWay(): void {
  if (process.platform !== 'linux') return
  setPriority(Math.min(getPriority() + niceness, constants.priority.PRIORITY_LOW))
}

async function answer(call: WorkerCall): Promise<WorkerAnswer> {
  const method = source[call.method] as (...values: readonly unknown[]) => Promise<unknown> // WorkerRowSource made the call
  return { number: call.number, result: owned(await method.call(source, ...call.values)) }
}

function asFailure(call: WorkerCall, thrown: unknown): WorkerAnswer {
  const error = sqliteError(thrown, 'read rows for a snapshot')
  const code = isSlipwayError(error) ? error.code : 'database_failed'
  return { number: call.number, result: undefined, error: { code, message: errorMessage(error) } }
}

/** Small buffers are parts of a shared one, which must not leave this thread. */
function owned(result: unknown): unknown {
  if (result instanceof Uint8Array) return ownBytes(result)
  if (Array.isArray(result)) return result.map(owned)
  if (!isEncoded(result)) return isPiece(result) ? { ...result, encoded: owned(result.encoded) } : result
  return { ...result, rows: ownBytes(result.rows), index: ownBytes(result.index) }
}

function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.length === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes)
}

function buffersOf(result: unknown): ArrayBuffer[] {
  if (result instanceof Uint8Array) return [result.buffer as ArrayBuffer]
  if (Array.isArray(result)) return result.flatMap(buffersOf)
  if (isPiece(result)) return buffersOf(result.encoded)
  return isEncoded(result) ? [result.rows.buffer as ArrayBuffer, result.index.buffer as ArrayBuffer] : []
}

const isEncoded = (value: unknown): value is EncodedDataFile =>
  typeof value === 'object' && value !== null && 'rows' in value && 'index' in value
const isPiece = (value: unknown): value is { readonly encoded: unknown } =>
  typeof value === 'object' && value !== null && 'encoded' in value
