// The keys that secrets are sealed under.

import type { Configstore, KeyStatus } from '../../configstore/api.ts'
import type { HandlersOf } from '../routes/handler.ts'
import { timeText } from '../views/time.ts'
import { written } from './common.ts'

type Ids = 'getKeys' | 'rotateKey' | 'resealValues' | 'retireKey'

export function keyHandlers({ configstore }: { readonly configstore: Configstore }): HandlersOf<Ids> {
  return {
    getKeys: async (_, { call }) => keysView(await configstore.keyStatus(call)),

    rotateKey: async (_, context) => {
      const { keyId } = written(context, await configstore.rotateKey(context.call))
      return { keyId }
    },

    resealValues: async (_, context) => {
      const { resealed, remaining } = written(context, await configstore.resealValues({}, context.call))
      return { resealed, remaining }
    },

    retireKey: async ({ params }, context) => {
      written(context, await configstore.retireKey({ keyId: params.keyId }, context.call))
    },
  }
}

function keysView({ installationKeyId, keys }: KeyStatus) {
  const oldestFirst = [...keys].sort((a, b) => a.createdAt - b.createdAt)
  return {
    installationKeyId,
    items: oldestFirst.map(({ createdAt, ...key }) => ({ ...key, createdAt: timeText(createdAt) })),
  }
}
