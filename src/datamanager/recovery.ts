// The branches that only faults reach, by name: the simulation counts them and fails when one was never reached.

export const recoveryBranches = [
  'append: exists, another record',
  'append: exists, our record',
  'append: unknown, another record',
  'append: unknown, our record',
  'append: unknown, no record yet',
  'append: log not readable',
  'apply: failed',
  'deferred: closures were evaluated over it',
  'deferred: it was written for a list of a closure',
  'deferred: it was written before the record of another one',
  'deferred: it cannot be written yet',
  'follow: applied already',
  'follow: try again',
  'bucket log: the slot was collected while its writer slept',
  'bucket log: records were collected while the head was looked for',
  'bucket log: a record cannot be seen though later ones are there',
  'read: collected records, from where they were shipped',
  'open: the log had collected what the file needs, it was restored',
  'ship: the object is there already',
  'ship: another shipper wrote what is before it',
  'ship: took over what another shipper wrote',
] as const

/** Those that only a database with families has. */
export const coldBranches = [
  'apply: rows of a cold family',
  'apply: rows were moved since our record was evaluated',
  'open: cold families were collected, it was restored',
] as const

export type RecoveryBranch = (typeof recoveryBranches)[number] | (typeof coldBranches)[number]
export type OnBranch = (branch: RecoveryBranch) => void
