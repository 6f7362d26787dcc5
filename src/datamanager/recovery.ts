// The branches that only faults reach, by name: the simulation counts them and fails when one was never reached.

export const recoveryBranches = [
  'append: exists, another record',
  'append: exists, our record',
  'append: unknown, another record',
  'append: unknown, our record',
  'append: unknown, no record yet',
  'append: log not readable',
  'apply: failed',
  'follow: applied already',
  'follow: try again',
] as const

/** Those that only a database with families has. */
export const coldBranches = ['apply: rows of a cold family'] as const

export type RecoveryBranch = (typeof recoveryBranches)[number] | (typeof coldBranches)[number]
export type OnBranch = (branch: RecoveryBranch) => void
