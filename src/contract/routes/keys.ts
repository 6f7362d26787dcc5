// The keys that secrets are sealed under.

import { Type } from 'typebox'
import { defineRoute } from '../route.ts'
import { Id, object } from '../schemas/common.ts'
import { Keys } from '../schemas/keys.ts'

export const keyRoutes = {
  getKeys: defineRoute({
    method: 'GET',
    path: '/keys',
    tag: 'keys',
    summary: 'The data keys that secrets are sealed under, and how many values are under each.',
    auth: 'required',
    responses: { 200: Keys },
    errors: [],
  }),
  rotateKey: defineRoute({
    method: 'POST',
    path: '/keys',
    tag: 'keys',
    summary: 'Adds a data key; what is written from now on is sealed under it.',
    auth: 'required',
    responses: { 201: object({ keyId: Id }) },
    repeatable: true,
    never: ['idempotency_key_reused'],
    errors: ['limit_exceeded'],
  }),
  resealValues: defineRoute({
    method: 'POST',
    path: '/keys/reseal',
    tag: 'keys',
    summary: 'Seals some values anew that are under an older data key. Say it again until nothing remains.',
    auth: 'required',
    responses: { 200: object({ resealed: Type.Integer({ minimum: 0 }), remaining: Type.Integer({ minimum: 0 }) }) },
    repeatable: true,
    never: ['idempotency_key_reused'],
    errors: [],
  }),
  retireKey: defineRoute({
    method: 'DELETE',
    path: '/keys/:keyId',
    tag: 'keys',
    summary: 'Removes a data key under which nothing is sealed.',
    auth: 'required',
    params: object({ keyId: Id }),
    responses: { 204: undefined },
    errors: ['sealing_key_not_found', 'sealing_key_in_use'],
  }),
} as const
