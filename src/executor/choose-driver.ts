// Which driver executes a task: the first that can.

import type { Order } from '../runservice/executor-api.ts'
import type { Driver } from './driver.ts'
import { SetupRefused } from './setup-refused.ts'

type Needs = Pick<Order, 'arch' | 'containers' | 'trust'>

/** Throws SetupRefused with what is missing when no driver can. */
export function chooseDriver(
  order: Needs,
  drivers: readonly Driver[],
  settings: { readonly allowPrivileged: boolean },
): Driver {
  if (order.containers.some((container) => container.privileged)) {
    if (!settings.allowPrivileged) {
      throw new SetupRefused({ kind: 'privileged_refused' }, 'this executor does not allow privileged containers')
    }
    if (order.trust === 'fork') {
      throw new SetupRefused({ kind: 'privileged_refused' }, 'runs of a fork may not use privileged containers')
    }
  }
  const missing = new Map<Driver, string>()
  for (const driver of drivers) {
    const because = whatIsMissing(order, driver)
    if (because === undefined) return driver
    missing.set(driver, because)
  }
  const because = [...new Set(missing.values())].join('; ')
  throw new SetupRefused({ kind: 'needs_docker', because }, `this task needs docker: ${because}`)
}

function whatIsMissing(order: Needs, driver: Driver): string | undefined {
  if (order.arch !== undefined && !driver.facts.archs.some((arch) => arch === order.arch)) {
    return `the ${driver.name} driver here executes ${driver.facts.archs.join(', ')}, not ${order.arch}`
  }
  if (order.containers.length > 1 && !driver.facts.supportsServices) {
    return `it has service containers, which the ${driver.name} driver does not make`
  }
  if (order.containers.some((container) => container.privileged) && !driver.facts.supportsPrivileged) {
    return `it is privileged, which the ${driver.name} driver does not allow`
  }
  if (order.trust === 'fork' && driver.name === 'host') return 'runs of a fork may not use the host driver'
  return undefined
}
