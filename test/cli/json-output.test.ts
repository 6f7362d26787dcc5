// `--output json` is what docs/run.md says: the tables there are read and every event is held against them.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { commandRepository } from './command.ts'

type Field = { readonly types: readonly string[]; readonly isOptional: boolean }
type Json = Readonly<Record<string, unknown>>

function documentedEvents(): ReadonlyMap<string, ReadonlyMap<string, Field>> {
  const page = readFileSync(resolve(import.meta.dirname, '../../docs/run.md'), 'utf8')
  const sections = page.split(/^#### `/m).slice(1)
  return new Map(
    sections.map((section) => {
      const rows = section.split(/^## /m)[0]!.matchAll(/^\| `(\w+)` \| ([^|]+) \|/gm)
      const fields = [...rows].map(([, name, type]): [string, Field] => [
        name!,
        { types: type!.replace(', optional', '').trim().split(' or '), isOptional: type!.includes('optional') },
      ])
      return [section.slice(0, section.indexOf('`')), new Map(fields)]
    }),
  )
}

function eventsOf(stdout: string): readonly Json[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Json)
}

const typeOf = (value: unknown) => (Array.isArray(value) ? 'array' : typeof value)

/** What is not as documented. */
function differences(event: Json): readonly string[] {
  const { type, ...fields } = event
  const documented = documentedEvents().get(String(type))
  if (documented === undefined) return [`type ${type}`]
  return [
    ...Object.entries(fields)
      .filter(([name, value]) => !documented.get(name)?.types.includes(typeOf(value)))
      .map(([name, value]) => `${type}.${name} is of type ${typeOf(value)}`),
    ...[...documented]
      .filter(([name, { isOptional }]) => !isOptional && !(name in fields))
      .map(([name]) => `${type}.${name} is missing`),
    ...(typeOf(fields.reason) === 'object' && typeof (fields.reason as Json).text !== 'string' ? ['reason.text'] : []),
  ]
}

test('every event has the documented fields, and every documented field is in some event', async () => {
  using repository = commandRepository({
    build: 'echo one; printf "no line end"',
    test: { run: 'exit 3', depends: ['build'] },
    report: { run: 'true', depends: ['test'] },
    deploy: { run: 'true', depends: ['build'], approval: true, environment: { TOKEN: { from_variable: 'TOKEN' } } },
  })
  const args = ['--output', 'json', '--approve', 'all', '--keep-failed']
  const first = eventsOf((await repository.run(...args)).stdout)
  const again = eventsOf((await repository.run('--from-failed', ...args)).stdout)
  const events = [...first, ...again]
  expect(events.flatMap(differences)).toEqual([])
  const told = new Set(events.flatMap(({ type, ...fields }) => Object.keys(fields).map((name) => `${type}.${name}`)))
  const documented = [...documentedEvents()].flatMap(([type, fields]) =>
    [...fields.keys()].map((name) => `${type}.${name}`),
  )
  // No definition of a working tree leads to a setup error: those come from a server that reads it at a push.
  expect(documented.filter((name) => !told.has(name))).toEqual(['run.setupErrors'])

  const lines = first.filter(({ type, task, step }) => type === 'log' && task === 'build' && step === 0)
  expect(lines.map(({ line }) => line)).toEqual(['one', 'no line end'])
  const ofBuild = first
    .filter(({ task, step }) => task === 'build' && step === 0)
    .map(({ type, phase }) => phase ?? type)
  expect(ofBuild).toEqual(['running', 'log', 'log', 'success'])
  expect(first[1]).toMatchObject({ type: 'run', phase: 'queued', run: { name: 'ci', number: 1 } })
  expect(first.at(-1)).toMatchObject({
    type: 'run',
    phase: 'finished',
    result: 'failed',
    reason: { kind: 'task_failed', task: 'test', text: 'task test failed' },
  })
  expect(again.find(({ task, type }) => type === 'task' && task === 'build')).toMatchObject({
    status: 'success',
    kept: true,
  })
})
