// Every operation of the public API, by its name.

import { deliveryRoutes } from './routes/deliveries.ts'
import { directRunRoutes } from './routes/direct-runs.ts'
import { homeRoutes } from './routes/home.ts'
import { keyRoutes } from './routes/keys.ts'
import { notificationRoutes } from './routes/notifications.ts'
import { organizationRoutes } from './routes/organizations.ts'
import { projectRoutes } from './routes/projects.ts'
import { runHistoryRoutes } from './routes/run-history.ts'
import { runRoutes } from './routes/runs.ts'
import { projectSecretRoutes } from './routes/secrets.ts'
import { sessionRoutes } from './routes/session.ts'
import { systemRoutes } from './routes/system.ts'
import { userRoutes } from './routes/users.ts'

export const routes = {
  ...sessionRoutes,
  ...userRoutes,
  ...homeRoutes,
  ...organizationRoutes,
  ...projectRoutes,
  ...projectSecretRoutes,
  ...runRoutes,
  ...runHistoryRoutes,
  ...directRunRoutes,
  ...deliveryRoutes,
  ...notificationRoutes,
  ...systemRoutes,
  ...keyRoutes,
} as const

export type ApiRoutes = typeof routes
export type RouteId = keyof ApiRoutes
