// What came from outside about the repository of a project, and what became of it.

import { Type } from 'typebox'
import { Id, object, Time } from './common.ts'

export const Delivery = object(
  {
    id: Id,
    receivedAt: Time,
    source: Type.Enum(['github', 'gitlab', 'gitea', 'forgejo', 'hook', 'poll']),
    event: Type.String({ description: 'As the source calls it: `push`, `Merge Request Hook`.' }),
    ref: Type.Optional(Type.String()),
    commitSha: Type.Optional(Type.String()),
    sender: Type.Optional(Type.String()),
    repeats: Type.Integer({ minimum: 0, description: 'How often it came again, and started nothing.' }),
    /** The delivery that this one repeats on request. */
    redeliveryOf: Type.Optional(Id),
    canRedeliver: Type.Boolean(),
    state: Type.Enum(['queued', 'created', 'nothing', 'ignored', 'refused', 'failed']),
    message: Type.String({ description: 'What became of it, or what it waits for.' }),
    runIds: Type.Array(Id),
    notCreated: Type.Array(object({ name: Type.String(), message: Type.String() })),
  },
  'Delivery',
)

/** Where to call, and what to sign with. Told only when the secret is made. */
export const NewWebhookSecret = object({
  webhookUrl: Type.String({ description: 'For webhooks of GitHub, GitLab, Gitea and Forgejo.' }),
  secret: Type.String(),
  hookUrl: Type.String({
    description: 'A POST of anything to it has the repository looked at. It is as secret as a password.',
  }),
})
