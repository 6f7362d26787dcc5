// How a person repeats what failed: the same command with the options that matter.

import type { RunOptions } from './run-context.ts'
import type { RepeatCommands } from './summary.ts'

export function repeatCommands(options: RunOptions): RepeatCommands {
  const place = options.driver === 'auto' ? [] : ['--driver', options.driver]
  const event = (['branch', 'tag', 'pr', 'ref'] as const).flatMap((name) => {
    const value = options[name]
    return value === undefined ? [] : [`--${name}`, value]
  })
  const given = [
    ...event,
    ...options.var.flatMap((value) => ['--var', value]),
    ...options.varFile.flatMap((value) => ['--var-file', value]),
    ...(options.file === undefined ? [] : ['--file', options.file]),
  ]
  return {
    fromFailed: command('run', '--from-failed', ...place),
    task: (name) => command('run', '--task', name, ...given, ...place),
    log: (name) => command('run', '--last', '--task', name, '--output', 'plain'),
  }
}

const command = (...args: readonly string[]) => ['slipway', ...args.map(shellWord)].join(' ')

/** As a shell reads it as one word. */
export function shellWord(text: string): string {
  return /^[\w./:=@%+,-][\w./:=@%+,#-]*$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}
