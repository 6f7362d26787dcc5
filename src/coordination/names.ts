import { SlipwayError } from '../lib/errors.ts'

/** Throws `invariant` unless `name` may be a part of a key in every backend. */
export function checkName(name: string): void {
  if (!/^[A-Za-z0-9._-]{1,200}$/.test(name) || name === '.' || name === '..')
    throw new SlipwayError('invariant', `${JSON.stringify(name)} is no name of an instance or a lock`)
}
