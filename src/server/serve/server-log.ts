// What the server writes about itself: lines of JSON for programs, or text for people, to standard error.

import type { Writable } from 'node:stream'
import pino from 'pino'
import type { LogFields, Logger } from '../../lib/log.ts'
import { currentRequestId } from '../../lib/request-id.ts'

export type ServerLogSettings = {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly format: 'text' | 'json'
}

/** With the id of the request for which a line is written. Errors are written with code, message, stack and cause. Lines go out at once: a process that is killed loses none. */
export function createServerLog({ level, format }: ServerLogSettings, output: Writable): Logger {
  const destination = { write: (line: string) => void output.write(format === 'json' ? line : textLine(line)) }
  const logger = pino(
    {
      level,
      base: null,
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError },
      mixin: () => {
        const requestId = currentRequestId()
        return requestId === undefined ? {} : { requestId }
      },
    },
    destination,
  )
  const write =
    (at: ServerLogSettings['level']) =>
    (message: string, fields: LogFields = {}) =>
      logger[at](fields, message)
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  return {
    name: error.name,
    ...('code' in error ? { code: error.code } : {}),
    message: error.message,
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  }
}

/** `10:42:07 warn  message  name=value`; the stack of an error follows on lines of its own. */
function textLine(json: string): string {
  const { level, time, message, ...fields } = JSON.parse(json) as {
    level: string
    time: string
    message: string
  } & LogFields
  const stacks: string[] = []
  const shown = Object.entries(fields).map(([name, value]) => {
    if (name !== 'error' || typeof value !== 'object' || value === null)
      return `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`
    const { code, message: text, stack } = value as { code?: unknown; message?: unknown; stack?: unknown }
    if (level === 'error' && typeof stack === 'string') stacks.push(stack)
    return `error=${[code, text].filter((part) => part !== undefined).join(': ')}`
  })
  const lines = [[time.slice(11, 19), level.padEnd(5), [message, ...shown].join('  ')].join(' '), ...stacks]
  // A value may hold anything, also what a terminal takes for a command.
  return `${lines.join('\n').replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '?')}\n`
}
