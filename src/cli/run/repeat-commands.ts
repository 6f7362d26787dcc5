// How a person repeats what failed: the same command with the options that matter.

import type { GivenOptions } from './asked-run.ts'
import type { RunOptions } from './run-context.ts'
import type { RepeatCommands } from './summary.ts'

/** `asked`: what the runs that are told of were asked with, which may have been another command. */
export function repeatCommands({ driver }: Pick<RunOptions, 'driver'>, asked: GivenOptions): RepeatCommands {
  const place = driver === 'auto' ? [] : ['--driver', driver]
  const event = (['branch', 'tag', 'pr', 'ref'] as const).flatMap((name) => {
    const value = asked[name]
    return value === undefined ? [] : [`--${name}`, value]
  })
  const given = [
    ...event,
    ...asked.var.flatMap((value) => ['--var', value]),
    ...asked.varFile.flatMap((value) => ['--var-file', value]),
    ...(asked.file === undefined ? [] : ['--file', asked.file]),
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
