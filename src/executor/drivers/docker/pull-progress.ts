// What an engine says while it pulls an image, shortened for the setup log: one line per change of a layer's state, downloads
// that take long every few seconds, the rest not at all.

import type { Timestamp } from '../../../lib/clock.ts'

/** One object of the engine's answer (Engine API, ImageCreate); Podman's has the same form. */
export type PullMessage = {
  readonly status?: string
  /** Id of the layer; of the first message, the tag. */
  readonly id?: string
  readonly progressDetail?: { readonly current?: number; readonly total?: number }
  readonly error?: string
  readonly errorDetail?: { readonly message?: string }
}

/** Between two lines about one download. */
const downloadLineMs = 5_000

const layerStates: Readonly<Record<string, string>> = {
  'Already exists': 'is here already',
  'Download complete': 'downloaded',
  'Pull complete': 'complete',
}

export class PullProgress {
  readonly #image: string
  readonly #shown = new Map<string, { state: string; at: Timestamp }>()

  constructor(image: string) {
    this.#image = image
  }

  /** The lines a message is worth, mostly none. */
  push({ status = '', id, progressDetail }: PullMessage, now: Timestamp): readonly string[] {
    if (/^(Digest|Status): /.test(status)) return [`${this.#image}: ${status.replace(/^Status: /, '')}`]
    if (id === undefined) return []
    const shown = this.#shown.get(id)
    if (status === 'Downloading') {
      if (shown === undefined) this.#shown.set(id, { state: status, at: now })
      if (shown === undefined || now - shown.at < downloadLineMs) return []
      this.#shown.set(id, { state: status, at: now })
      const { current = 0, total } = progressDetail ?? {}
      return [`${this.#image}: layer ${id} downloading, ${megabytes(current)}${total ? ` of ${megabytes(total)}` : ''}`]
    }
    const state = layerStates[status]
    if (state === undefined || shown?.state === state) return []
    this.#shown.set(id, { state, at: now })
    return [`${this.#image}: layer ${id} ${state}`]
  }
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`
