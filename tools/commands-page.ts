// docs/commands.md, from the commands themselves.

import { PassThrough } from 'node:stream'
import type { Command } from 'commander'
import type { Io } from '../src/cli/io.ts'
import { createProgram } from '../src/cli/program.ts'

const nothing = { [Symbol.dispose]: () => {} }
const io: Io = {
  cwd: '/',
  environment: {},
  stdin: new PassThrough(),
  stdout: new PassThrough(),
  stderr: new PassThrough(),
  onInterrupt: () => nothing,
  onExit: () => nothing,
  onSuspend: () => nothing,
  exit: () => {
    throw new Error('nothing is executed here')
  },
}

/** Every command with its arguments and options; options that all commands with a server share are told once. */
export async function commandsPage(note: string): Promise<string> {
  const program = await createProgram(io, '', () => {})
  return [
    '# Commands',
    '',
    `Every command of \`slipway\`; \`slipway COMMAND --help\` tells the same. ${note}`,
    '',
    'Commands with a server take besides: `--server URL` or `--context NAME` (default: the current context of `slipway login`),',
    '`--token-file FILE`, and `-o json` for programs. `SLIPWAY_SERVER`, `SLIPWAY_CONTEXT` and `SLIPWAY_TOKEN` in the environment do the same.',
    'Exit status: 0 success, 1 a run failed, 2 bad usage or refused, 3 stopped, 4 trouble of the machinery itself.',
    '',
    ...program.commands.flatMap((command) => sectionsOf(command, [])),
  ].join('\n')
}

const shared = ['--server', '--context', '--token-file', '--output']

function sectionsOf(command: Command, parents: readonly string[]): string[] {
  if (command.name().startsWith('__') || command.name() === 'help') return []
  const names = [...parents, command.name()]
  if (command.commands.length > 0) {
    const heading =
      parents.length === 0
        ? [`## slipway ${names.join(' ')}`, '', `${sentence(command.summary() || command.description())}`, '']
        : []
    return [...heading, ...command.commands.flatMap((child) => sectionsOf(child, names))]
  }
  const usage = `slipway ${names.join(' ')} ${command.usage().replace(/^\[options\] ?/, '')}`.trim()
  const isRemote = command.options.some(({ long }) => long === '--server')
  const options = command.options.filter(({ long, hidden }) => !hidden && !(isRemote && shared.includes(long ?? '')))
  const rows = options.map((option) => {
    const value = option.defaultValue
    const isTold = value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0)
    const choices = option.argChoices === undefined ? '' : ` (${option.argChoices.join(', ')})`
    return `| \`${option.flags.replaceAll('|', '\\|')}\` | ${option.description.replaceAll('|', '\\|')}${choices}${isTold ? `; default ${String(value)}` : ''} |`
  })
  return [
    `${parents.length === 0 ? '##' : '###'} ${usage}`,
    '',
    sentence(command.summary() || command.description()),
    '',
    ...(rows.length === 0 ? [] : ['| option | |', '|---|---|', ...rows, '']),
  ]
}

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
