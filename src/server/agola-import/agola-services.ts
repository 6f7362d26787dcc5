/** Services of Agola whose exports are read. */
export const agolaServices = ['runservice'] as const
export type AgolaService = (typeof agolaServices)[number]
