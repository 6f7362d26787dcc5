// `--approve`: what happens to tasks that wait for approval.

export const approveModes = ['all', 'ask', 'none'] as const
export type ApproveMode = (typeof approveModes)[number]
