// A runservice in another process of the installation.

import type { FastifyInstance } from 'fastify'
import type { RpcMethods } from '../http/rpc/rpc.ts'
import { createRpcClient } from '../http/rpc/rpc-client.ts'
import { serveRpc } from '../http/rpc/rpc-server.ts'
import type { Logger } from '../lib/log.ts'
import type { Runservice } from './api.ts'

type Methods = Omit<Runservice, typeof Symbol.asyncDispose>

const prefix = '/internal/runservice'

/** Every method, so that one which is added has to say how it travels. */
const methods: Required<RpcMethods<Methods>> = {
  createRuns: 'call',
  restartRun: 'call',
  stopRun: 'call',
  cancelRun: 'call',
  approveTask: 'call',
  loadRun: 'call',
  findRuns: 'call',
  runRows: 'call',
  relatedRuns: 'call',
  position: 'call',
  watchChanges: 'stream',
  watchRun: 'stream',
  readLog: 'bytes',
  followLog: 'bytes',
  logExtent: 'call',
  readLogLines: 'call',
  searchLog: 'call',
  logGroups: 'call',
  deleteLog: 'call',
  listEvents: 'call',
  registerEventConsumer: 'call',
  passEvents: 'call',
  removeEventConsumer: 'call',
  deleteRunsOf: 'call',
  clean: 'call',
  listExecutors: 'call',
  drainExecutor: 'call',
  removeExecutor: 'call',
  createExecutorToken: 'call',
  listExecutorTokens: 'call',
  revokeExecutorToken: 'call',
  listQueue: 'call',
}

export type RemoteRunserviceSettings = {
  /** Instances, all the same: a call goes to the first that answers. */
  readonly urls: readonly string[]
  /** Of the installation's services. */
  readonly token: string
}

/** Errors of all methods besides their own: `service_unavailable`, `outcome_unknown` when an answer was lost. */
export function createRemoteRunservice({ urls, token }: RemoteRunserviceSettings): Runservice {
  return createRpcClient<Methods>({ urls, prefix, methods, token })
}

/** Lets other processes of the installation call `runservice`. */
export function serveRunservice(
  app: FastifyInstance,
  { token }: Pick<RemoteRunserviceSettings, 'token'>,
  { runservice, logger }: { readonly runservice: Runservice; readonly logger: Logger },
): void {
  serveRpc<Methods>(app, { prefix, methods, token }, { target: runservice, logger })
}
