import { Command, Option } from 'commander'
import { expect, test } from 'vitest'
import { complete } from './complete.ts'

function program(): Command {
  const made = new Command('slipway')
  made.command('run').summary('run it here').option('-t, --task <name>', 'only this')
  const runs = made.command('runs').summary('runs of the server')
  runs.command('list [project]').addOption(new Option('-o, --output <format>', 'how').choices(['table', 'json']))
  made.command('__complete', { hidden: true })
  return made
}

test.each([
  ['the first word', [''], ['run', 'runs']],
  ['a first word that has begun', ['ru'], ['run', 'runs']],
  ['nothing', ['x'], []],
  ['a command below', ['runs', ''], ['list']],
  ['an option', ['runs', 'list', '--o'], ['--output']],
  ['an option after an argument', ['runs', 'list', 'org/acme/web', '-'], ['--output']],
  ['the value of an option', ['runs', 'list', '-o', 'j'], ['json']],
  ['a value that can be anything', ['run', '--task', ''], []],
  ['no words at all', [], ['run', 'runs']],
])('completes %s', (_, words, expected) => {
  expect(complete(program(), words).map(({ text }) => text)).toEqual(expected)
})
