// Names of a database's objects below its base (docs/storage.md, "Object storage").

import type { ObjectKey, ObjectStorage } from '../../objectstorage/object-storage.ts'
import type { Position } from '../database.ts'

/** Where in object storage a database keeps its things: `base` is a key without a slash at its end. */
export type StoragePlace = { readonly ost: ObjectStorage; readonly base: string }

/** 16 hex digits, so that keys are in the order of positions. */
export function encodePosition(position: Position): string {
  return position.toString(16).padStart(16, '0')
}

/** The position at the end of a key; undefined when there is none. */
export function positionOfKey(key: ObjectKey): Position | undefined {
  const text = key.slice(key.lastIndexOf('/') + 1)
  return /^[0-9a-f]{16}$/.test(text) ? Number.parseInt(text, 16) : undefined
}

export const rootPrefix = (base: string) => `${base}/root/`
export const generationPrefix = (base: string, generation: string) => `${base}/${generation}/`
export const shippedPrefix = (base: string, generation: string) => `${base}/${generation}/log/`
export const manifestPrefix = (base: string, generation: string) => `${base}/${generation}/snapshot/`
export const dataPrefix = (base: string, generation: string) => `${base}/${generation}/data/`
/** Snapshots of which somebody has an export that may be resumed. */
export const exportPrefix = (base: string, generation: string) => `${base}/${generation}/export/`
export const exportKey = (base: string, generation: string, position: Position) =>
  `${exportPrefix(base, generation)}${encodePosition(position)}`
/** Whether a generation that an import has written may still become the current one. */
export const fateKey = (base: string, generation: string) => `${base}/${generation}/fate`
/** Which kind of log a generation has: a log of another kind would be a second one. */
export const logKindKey = (base: string, generation: string) => `${base}/${generation}/log-kind`
/** Written only to learn the time of the storage's clock. */
export const clockKey = (base: string, generation: string) => `${base}/${generation}/clock`

export const rowsKey = (base: string, generation: string, name: string) => `${dataPrefix(base, generation)}${name}.rows`
export const indexKey = (base: string, generation: string, name: string) =>
  `${dataPrefix(base, generation)}${name}.index`
