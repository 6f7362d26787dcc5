// What the parts of the page of notifications have in common.

import type { ResponseOf } from '../../../../src/contract/route.ts'
import type { ApiRoutes } from '../../../../src/contract/routes.ts'

export type Receiver = ResponseOf<ApiRoutes['listReceivers']>['items'][number]

export const kindWords = { webhook: 'Webhook', slack: 'Slack or compatible', email: 'E-mail' } as const
