// Probes and metrics of a process without a gateway; with one they are the gateway's, which has more to tell.

import { mountProbes, type Readiness } from '../../gateway/metrics/probes.ts'
import { isSlipwayError } from '../../lib/errors.ts'
import type { Installation, Mount } from './open-server.ts'

/** Prom-client is loaded by those who need it. */
export async function openProbes(installation: Installation, mounts: Mount[]): Promise<void> {
  const { ServiceMetrics } = await import('../../gateway/metrics/service-metrics.ts')
  const { figures, version, clock, opened } = installation
  const positions = async () => Object.fromEntries([...opened].map(([name, { position }]) => [name, position]))
  const metrics = new ServiceMetrics({ figures, version, clock, positions })
  mounts.push((app) => mountProbes(app, { metrics, readiness: () => readinessOf(installation) }))
}

/** Whether this instance can read all it serves. */
export function readinessOf({ opened }: Pick<Installation, 'opened'>): Readiness {
  for (const [service, database] of opened) {
    try {
      database.view(() => undefined)
    } catch (error) {
      return { isReady: false, why: `${service} cannot be read: ${isSlipwayError(error) ? error.code : 'internal'}` }
    }
  }
  return { isReady: true }
}
