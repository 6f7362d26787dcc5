// The visibility of organizations, groups and projects.

import { SlipwayError } from '../../lib/errors.ts'
import { type Visibility, visibilities } from '../types.ts'

/** Throws `visibility_invalid`. */
export function checkVisibility(visibility: Visibility): void {
  if (!visibilities.includes(visibility))
    throw new SlipwayError('visibility_invalid', `the visibility is one of ${visibilities.join(', ')}`)
}
