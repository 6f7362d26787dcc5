// What administrators do with executors, and what everybody may know of them and of the queue in front of them.

import type { Arch } from '../../pipeline/run-config.ts'
import type { RepeatableOptions } from '../api.ts'
import type { Reason } from '../reasons.ts'
import type { Executor, ExecutorTokenRow } from '../types.ts'

/** An executor, with what it does now. */
export type ExecutorView = Omit<Executor, 'connection'> & {
  /** Orders it has; `taskLimit` bounds them, 0 does not. */
  readonly slotsUsed: number
  /** At most 100 of them, the oldest first. */
  readonly tasks: readonly ExecutorTaskView[]
  /** True when some instance has its connection now. */
  readonly isHeld: boolean
}

export type ExecutorTaskView = {
  readonly executorTaskId: string
  readonly runId: string
  readonly runTaskId: string
  readonly phase: string
  readonly stop: boolean
  /** When it was handed out. */
  readonly createdAt: number
}

export type CreateExecutorToken = {
  /** Of the token, and of a new executor; unique among tokens. */
  readonly name: string
  /** An executor that has a token already, to give it another one; without it the token is for a new one. */
  readonly executorId?: string
  /** Given, the executor has exactly these labels, whatever it says itself. */
  readonly labels?: Readonly<Record<string, string>>
  readonly createdBy?: string
}

/** A token without what opens anything. */
export type ExecutorTokenView = Omit<ExecutorTokenRow, 'hash'>

/** `token` is shown here and never again. */
export type NewExecutorToken = ExecutorTokenView & { readonly token: string }

export type QueueOptions = {
  /** Of the page before. */
  readonly cursor?: string
  /** At most 100; default 25. */
  readonly limit?: number
}

/** A task that could be executed, or a run that could start, and why it waits. */
export type QueueEntry = {
  /** From 1, over the whole queue. */
  readonly position: number
  readonly runId: string
  readonly runCounter: number
  readonly runName: string
  readonly group: string
  readonly since: number
  /** Absent for a run that has not started. */
  readonly task?: { readonly id: string; readonly name: string; readonly arch?: Arch }
  readonly reason: Reason
}

export type QueuePage = { readonly items: readonly QueueEntry[]; readonly nextCursor?: string; readonly total: number }

export interface ExecutorAdmin {
  listExecutors(): Promise<readonly ExecutorView[]>
  /** A draining executor finishes what it has and gets nothing new, also after it was away. `executor_not_found`. */
  drainExecutor(executorId: string, options: { readonly draining: boolean }): Promise<void>
  /** Removes an executor and revokes its tokens; its tasks fail with `executor_lost`. `executor_not_found`. */
  removeExecutor(executorId: string): Promise<void>
  /**
   * Errors: `executor_token_invalid`, `executor_token_exists`, `executor_labels_invalid`, `executor_not_found`;
   * `executor_token_not_found` when it is repeated after the token was revoked.
   */
  createExecutorToken(request: CreateExecutorToken, options?: RepeatableOptions): Promise<NewExecutorToken>
  /** In the order of their creation. */
  listExecutorTokens(): Promise<readonly ExecutorTokenView[]>
  /** Connections opened with it end. `executor_token_not_found`. */
  revokeExecutorToken(tokenId: string): Promise<void>
  /** What waits for an executor, for approval, or for the run before it, in the order in which it began to wait. */
  listQueue(options?: QueueOptions): Promise<QueuePage>
}
