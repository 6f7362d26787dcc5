// `--approve`: what happens to tasks that wait for approval.

export const approveModes = ['all', 'ask', 'none'] as const
export type ApproveMode = (typeof approveModes)[number]
/** `wait`: somebody else may approve it, as on a server. */
export type ApprovalPolicy = ApproveMode | 'wait'
