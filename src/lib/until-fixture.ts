// Waiting in tests for what others bring about. The deadline is far away on purpose: it says that something never comes, not how
// fast it has to come.

import { setTimeout as sleep } from 'node:timers/promises'

const deadlineMs = 50_000

/** Resolves when `condition` holds, looking every few milliseconds; throws when it does not within 50 s. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string = String(condition),
): Promise<void> {
  for (const deadline = performance.now() + deadlineMs; !(await condition()); await sleep(2))
    if (performance.now() > deadline) throw new Error(`never so: ${what}`)
}
