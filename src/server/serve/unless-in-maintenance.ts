// What a start does only to be quicker: in maintenance nothing is written, and it is done without it.

import { isSlipwayError } from '../../lib/errors.ts'

export async function unlessInMaintenance(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!isSlipwayError(error, 'maintenance')) throw error
  }
}
