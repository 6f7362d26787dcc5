/** Services of Agola whose exports are read. */
export const agolaServices = ['runservice', 'configstore'] as const
export type AgolaService = (typeof agolaServices)[number]
