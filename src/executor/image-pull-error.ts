// An image that could not be had, with the facts that people are shown.

import { SlipwayError } from '../lib/errors.ts'

export class ImagePullError extends SlipwayError {
  /** As the task names it. */
  readonly image: string
  /** What the registry, the engine or the cluster said. */
  readonly answer: string

  constructor(image: string, answer: string, options?: { readonly cause?: unknown }) {
    super('image_pull', `cannot pull image ${image}: ${answer}`, options)
    this.image = image
    this.answer = answer
  }
}
