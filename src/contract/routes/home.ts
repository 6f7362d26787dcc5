// What somebody sees first.

import { Type } from 'typebox'
import { defineRoute } from '../route.ts'
import { object } from '../schemas/common.ts'
import { Project } from '../schemas/projects.ts'
import { RunSummary } from '../schemas/runs.ts'

export const homeRoutes = {
  getHome: defineRoute({
    method: 'GET',
    path: '/user/home',
    tag: 'users',
    summary: 'Projects of the caller and of its organizations, by path, with their newest runs.',
    auth: 'required',
    query: object({
      runs: Type.Optional(
        Type.Integer({ minimum: 0, maximum: 30, description: 'Of each project at most so many; default 30.' }),
      ),
    }),
    responses: {
      200: object({
        projects: Type.Array(
          object({
            project: Project,
            /** Of the first 40 projects. */
            runs: Type.Optional(object({ items: Type.Array(RunSummary), nextCursor: Type.Optional(Type.String()) })),
          }),
        ),
        isComplete: Type.Boolean({ description: 'False when there are more groups than are looked into.' }),
      }),
    },
    errors: [],
  }),
} as const
