// Secrets of projects for the runservice of this process: they are in the configstore, wherever that is.

import { type Configstore, deployKeyRef } from '../../configstore/api.ts'
import type { FoundSecret, SecretResolver } from '../../runservice/orders/secret-resolver.ts'

/** As `resolveVariables` gives them: the secret's id, then the name of the value. */
const refPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\//

export function projectSecrets(configstore: Pick<Configstore, 'openSecrets'>): SecretResolver {
  return {
    isKept: (ref, group) => projectOf(group) !== undefined && (ref === deployKeyRef || refPattern.test(ref)),
    lookUp: async ({ group, trust, refs }, signal) => {
      const project = projectOf(group)
      if (project === undefined) return new Map()
      const asked = { refs, project, isFork: trust === 'fork' }
      const { values, versions, names = {} } = await configstore.openSecrets(asked, { signal })
      return new Map(
        Object.entries(values).map(([ref, value]): [string, FoundSecret] => [
          ref,
          { value, name: names[ref] ?? ref, version: versions[ref] ?? 0 },
        ]),
      )
    },
  }
}

function projectOf(group: string): string | undefined {
  const [, owner, id] = group.split('/')
  return owner === 'project' ? id : undefined
}
