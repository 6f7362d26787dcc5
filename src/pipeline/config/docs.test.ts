// docs/config.md: every fenced block is a definition, or a part of one as its info string says, and does what its comments
// state.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { expandRun } from '../expand.ts'
import { planRuns } from '../plan.ts'
import { anEvent, countingIds } from '../run-config-fixture.ts'
import { checkDefinition } from './check.ts'
import { formatDiagnostic } from './diagnostic.ts'
import { keysOf, slipwayOnlyKeys } from './keys.ts'

const page = readFileSync(resolve(import.meta.dirname, '../../../docs/config.md'), 'utf8')

type Block = { readonly line: number; readonly info: readonly string[]; readonly text: string }

const blocks: readonly Block[] = [...page.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map((match) => ({
  line: page.slice(0, match.index).split('\n').length,
  info: match[1]!.split(' '),
  text: match[2]!,
}))

/** The definition a block is part of. */
function definitionOf({ info, text }: Block): string {
  const indented = (spaces: number) => text.replace(/^(?=.)/gm, ' '.repeat(spaces))
  const unless = (key: string, line: string) => (new RegExp(`^${key}:`, 'm').test(text) ? '' : `${line}\n`)
  if (info.includes('run')) return `runs:\n  -\n${indented(4)}`
  const task = [
    'runs:\n  - name: ci\n    tasks:\n      -\n',
    unless('name', '        name: example'),
    unless('runtime', '        runtime: {containers: [{image: alpine}]}'),
  ].join('')
  if (info.includes('task')) return `${task}${indented(8)}`
  if (info.includes('steps')) return `${task}        steps:\n${indented(10)}`
  return text
}

test.each(blocks)('the block at line $line does what it says', (block) => {
  expect(block.info[0]).toBe('yaml')
  const stated = (kind: string) =>
    [...block.text.matchAll(new RegExp(`^# ${kind}: (.*)$`, 'gm'))].map((match) => match[1]!)
  const folder = block.info.includes('agola') ? '.agola' : '.slipway'
  const checked = checkDefinition({ path: `${folder}/config.yml`, text: definitionOf(block) })
  expectStated(checked.errors.map(formatDiagnostic), stated('error'))
  expectStated(checked.warnings.map(formatDiagnostic), stated('warning'))
  if (checked.config === undefined) return
  const { config } = checked
  for (const run of config.runs) {
    const expanded = expandRun({ config, run, event: anEvent(), variables: new Map(), newId: countingIds() })
    expect(expanded.runConfig.tasks).toHaveLength(run.tasks.length)
  }
  expect(planRuns(config, anEvent())).toHaveLength(config.runs.length)
})

function expectStated(found: readonly string[], stated: readonly string[]): void {
  expect(found).toEqual(stated.map((message) => expect.stringContaining(message)))
}

test('every key is in a table or sentence, and in an example', () => {
  const keys = new Set([...Object.values(keysOf).flat(), ...slipwayOnlyKeys.map(({ key }) => key)])
  const prose = page.replace(/^```[\s\S]*?^```$/gm, '')
  const examples = blocks.map(({ text }) => text).join('\n')
  const missing = [...keys].filter(
    (key) => !prose.includes(`\`${key}\``) || !new RegExp(`\\b${key}\\b['"]?:`).test(examples),
  )
  expect(missing).toEqual([])
})

test('every key beyond the reference is documented as such', () => {
  for (const { path, type, doc } of slipwayOnlyKeys) expect(page).toContain(`| \`${path}\` | ${type} | ${doc} |`)
})

test('the message at the top is the one that a slip in the first example gives', () => {
  const text = blocks[0]!.text.replace('[build]', '[biuld]')
  const { errors } = checkDefinition({ path: '.slipway/config.yml', text })
  expect(errors.map((error) => page.includes(`\n    ${formatDiagnostic(error)}\n`))).toEqual([true])
})
