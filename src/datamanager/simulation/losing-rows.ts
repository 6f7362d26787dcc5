// What the process that loses everything and its judge have in common.

export type LostRows = { line: { readonly n: number } }
export const lostTypes = { line: {} }
export const lostIdentity = { store: 'losing-store', generation: 'losing-generation' }
export const lostBase = 'database'
export const lostService = 'losing'
