// `--driver`: which drivers a local run may have.

export const driverChoices = ['auto', 'docker', 'host'] as const
export type DriverChoice = (typeof driverChoices)[number]
