// Who hears of the runs of a project, and what became of what was told.

import { Type } from 'typebox'
import { defineRoute } from '../route.ts'
import { Id, listOf, object, ProjectRef, paging } from '../schemas/common.ts'
import {
  NewReceiver,
  Notification,
  NotificationState,
  Receiver,
  ReceiverChange,
  ReceiverWithSecret,
} from '../schemas/notifications.ts'

const tag = 'notifications'
const projectParams = object({ projectRef: ProjectRef })
const receiverParams = object({ projectRef: ProjectRef, receiverId: Id })
const notificationParams = object({ projectRef: ProjectRef, notificationId: Id })

export const notificationRoutes = {
  listReceivers: defineRoute({
    method: 'GET',
    path: '/projects/:projectRef/receivers',
    tag,
    summary: 'Who hears of the runs of a project: webhooks, addresses of e-mail, Slack-compatible addresses.',
    auth: 'required',
    params: projectParams,
    responses: { 200: listOf(Receiver) },
    errors: ['service_unavailable'],
  }),
  createReceiver: defineRoute({
    method: 'POST',
    path: '/projects/:projectRef/receivers',
    tag,
    summary: 'Adds a receiver. The secret of a webhook is told only here.',
    auth: 'required',
    params: projectParams,
    body: NewReceiver,
    responses: { 201: ReceiverWithSecret },
    versioned: true,
    repeatable: true,
    errors: ['receiver_invalid', 'receiver_exists', 'limit_exceeded', 'service_unavailable'],
  }),
  getReceiver: defineRoute({
    method: 'GET',
    path: '/projects/:projectRef/receivers/:receiverId',
    tag,
    summary: 'A receiver.',
    auth: 'required',
    params: receiverParams,
    responses: { 200: Receiver },
    versioned: true,
    errors: ['receiver_not_found', 'service_unavailable'],
  }),
  updateReceiver: defineRoute({
    method: 'PATCH',
    path: '/projects/:projectRef/receivers/:receiverId',
    tag,
    summary: 'Changes a receiver, or makes a new secret for it.',
    auth: 'required',
    params: receiverParams,
    body: ReceiverChange,
    responses: { 200: ReceiverWithSecret },
    versioned: true,
    errors: ['receiver_not_found', 'receiver_invalid', 'receiver_exists', 'service_unavailable'],
  }),
  deleteReceiver: defineRoute({
    method: 'DELETE',
    path: '/projects/:projectRef/receivers/:receiverId',
    tag,
    summary: 'Removes a receiver; what waits for it is not sent.',
    auth: 'required',
    params: receiverParams,
    responses: { 204: undefined },
    versioned: true,
    errors: ['receiver_not_found', 'service_unavailable'],
  }),
  testReceiver: defineRoute({
    method: 'POST',
    path: '/projects/:projectRef/receivers/:receiverId/test',
    tag,
    summary: 'Sends a test to a receiver now.',
    auth: 'required',
    params: receiverParams,
    responses: { 201: Notification },
    repeatable: true,
    errors: ['receiver_not_found', 'rate_limited', 'service_unavailable'],
  }),
  listNotifications: defineRoute({
    method: 'GET',
    path: '/projects/:projectRef/notifications',
    tag,
    summary: 'What was told about the runs of a project and to whom, commit statuses as well, the newest first.',
    auth: 'required',
    params: projectParams,
    query: object({
      receiverId: Type.Optional(Id),
      state: Type.Optional(NotificationState),
      ...paging,
    }),
    responses: { 200: listOf(Notification) },
    errors: ['list_invalid', 'service_unavailable'],
  }),
  watchNotifications: defineRoute({
    method: 'GET',
    path: '/projects/:projectRef/notification-changes',
    tag,
    summary:
      'The newest notifications of a project, a page of them: as they are, then each time that one comes or changes.',
    auth: 'required',
    params: projectParams,
    responses: { 200: Type.String() },
    stream: { kind: 'events', events: { notifications: listOf(Notification) } },
    errors: [],
  }),
  getNotification: defineRoute({
    method: 'GET',
    path: '/projects/:projectRef/notifications/:notificationId',
    tag,
    summary: 'One notification with its last attempts.',
    auth: 'required',
    params: notificationParams,
    responses: { 200: Notification },
    errors: ['notification_not_found', 'service_unavailable'],
  }),
  resendNotification: defineRoute({
    method: 'POST',
    path: '/projects/:projectRef/notifications/:notificationId/resend',
    tag,
    summary: 'Sends the same again, as a new notification.',
    auth: 'required',
    params: notificationParams,
    responses: { 201: Notification },
    repeatable: true,
    errors: ['notification_not_found', 'notification_not_repeatable', 'service_unavailable'],
  }),
} as const
