// `--driver`: which drivers an executor may have.

export const driverChoices = ['auto', 'docker', 'host'] as const
export type DriverChoice = (typeof driverChoices)[number]

/** The drivers to try, in order, on a platform as Node.js names it. The host driver's sandboxes are made of Linux. */
export function driversToTry(
  choice: DriverChoice,
  platform: string,
): readonly ['docker' | 'host'] | readonly ['docker', 'host'] {
  if (choice !== 'auto') return [choice]
  return platform === 'linux' ? ['docker', 'host'] : ['docker']
}
