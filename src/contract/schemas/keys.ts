// Keys, never what they are.

import { Type } from 'typebox'
import { Id, object, Time } from './common.ts'

export const Keys = object(
  {
    installationKeyId: Type.String({ description: 'Of the key that data keys are sealed under.' }),
    items: Type.Array(
      object({
        id: Id,
        createdAt: Time,
        isActive: Type.Boolean({ description: 'It seals what is written now.' }),
        installationKeyId: Type.String({ description: 'The key that it is sealed under itself.' }),
        values: Type.Integer({ minimum: 0, description: 'Sealed under it.' }),
      }),
      { description: 'The oldest first.' },
    ),
  },
  'Keys',
)
