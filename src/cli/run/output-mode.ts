// `--output`: how a run is told.

export const outputModes = ['tree', 'plain', 'json'] as const
export type OutputMode = (typeof outputModes)[number]
