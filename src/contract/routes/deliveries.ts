// Deliveries: why a push started something, or nothing.

import { Type } from 'typebox'
import { defineRoute } from '../route.ts'
import { ofProvider } from '../route-errors.ts'
import { Id, listOf, object, ProjectRef, paging } from '../schemas/common.ts'
import { Delivery, NewWebhookSecret } from '../schemas/deliveries.ts'

const tag = 'deliveries'

export const deliveryRoutes = {
  listDeliveries: defineRoute({
    method: 'GET',
    path: '/projects/:projectRef/deliveries',
    tag,
    summary: 'What came about the repository of a project and what became of it, the newest first.',
    auth: 'required',
    params: object({ projectRef: ProjectRef }),
    query: object(paging),
    responses: { 200: listOf(Delivery) },
    errors: ['project_not_found', 'list_invalid'],
  }),
  watchDeliveries: defineRoute({
    method: 'GET',
    path: '/projects/:projectRef/delivery-changes',
    tag,
    summary:
      'The newest deliveries of a project, a page of them: as they are, then each time that one comes or changes.',
    auth: 'required',
    params: object({ projectRef: ProjectRef }),
    responses: { 200: Type.String() },
    stream: { kind: 'events', events: { deliveries: listOf(Delivery) } },
    errors: ['project_not_found'],
  }),
  redeliver: defineRoute({
    method: 'POST',
    path: '/projects/:projectRef/deliveries/:deliveryId/redeliver',
    tag,
    summary: 'Does what a delivery was about again.',
    auth: 'required',
    params: object({ projectRef: ProjectRef, deliveryId: Id }),
    responses: { 201: Delivery },
    repeatable: true,
    errors: ['project_not_found', 'delivery_not_found', 'delivery_not_repeatable', 'rate_limited'],
  }),
  createWebhookSecret: defineRoute({
    method: 'POST',
    path: '/projects/:projectRef/webhook-secret',
    tag,
    summary:
      'Makes a new secret for webhooks, also at the provider of the repository; the one before it stays valid until the next.',
    auth: 'required',
    params: object({ projectRef: ProjectRef }),
    responses: { 201: NewWebhookSecret },
    repeatable: true,
    errors: ['project_not_found', 'owner_changed', 'remote_repository_not_found', ...ofProvider],
  }),
} as const
