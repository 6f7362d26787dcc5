// What a task shows to fetch the commit of its direct run. It is derived from the installation's key, so that every instance knows it
// and nothing is stored; it opens one repository, for reading, until the task has ended.

import { createHmac, timingSafeEqual } from 'node:crypto'

export type RunTaskName = { readonly runId: string; readonly taskId: string }

/** Any of the installation's, newest first. */
export type CredentialKeys = readonly [Uint8Array, ...Uint8Array[]]

const form = /^slipwayrun_([0-9a-f-]{36})_([0-9a-f-]{36})_([A-Za-z0-9_-]{43})$/

export function runCredential(task: RunTaskName, [key]: CredentialKeys): string {
  return `slipwayrun_${task.runId}_${task.taskId}_${codeOf(task, key)}`
}

/** Whose it is; undefined for what was not made under one of the keys. Whether the task still runs is another question. */
export function readRunCredential(text: string, keys: CredentialKeys): RunTaskName | undefined {
  const [, runId = '', taskId = '', code = ''] = form.exec(text) ?? []
  if (code === '') return undefined
  const task = { runId, taskId }
  const isOurs = keys.some((key) => timingSafeEqual(Buffer.from(codeOf(task, key)), Buffer.from(code)))
  return isOurs ? task : undefined
}

function codeOf({ runId, taskId }: RunTaskName, key: Uint8Array): string {
  return createHmac('sha256', key).update(`slipway git credential ${runId} ${taskId}`).digest('base64url')
}
