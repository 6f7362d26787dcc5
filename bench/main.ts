// Runs benchmarks and prints each figure beside its floor:
//
//   npm run bench                       all of them (half an hour or more, by the disk)
//   npm run bench -- tasks docker       only these files of this folder
//   npm run bench -- --strict ...       exit status 1 when a bar is not met
//
// Writes bench/results.json; figures of benchmarks that were not run now are kept there as they were.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Figure } from './figure.ts'

/** In the order they are run: short ones first. Each is a file of this folder that exports `run`. */
const names = [
  'scheduler',
  'log-bytes',
  'masking',
  'datamanager',
  'shared-commits',
  'snapshot',
  'million-runs',
  'tasks',
  'host',
  'command',
  'docker',
  'clone',
  'workspace',
  'logs',
  'executors',
  'directrun',
  'api',
  'webhooks',
  'idle',
]

const resultsFile = join(import.meta.dirname, 'results.json')

const args = process.argv.slice(2)
const asked = args.filter((arg) => arg !== '--strict')
const unknown = asked.filter((name) => !names.includes(name))
if (unknown.length > 0) {
  console.error(`bench: there is no benchmark ${unknown.join(', ')}; there are ${names.join(', ')}`)
  process.exit(2)
}

const figures: Figure[] = []
for (const name of asked.length > 0 ? asked : names) {
  const benchmark = (await import(`./${name}.ts`)) as { readonly run: () => Promise<readonly Figure[]> }
  try {
    const begin = performance.now()
    const measured = await benchmark.run()
    console.error(`bench: ${name} took ${Math.round((performance.now() - begin) / 1000)} s`)
    for (const figure of measured) console.log(line(figure))
    figures.push(...measured)
    save(measured)
  } catch (error) {
    // What could not be measured is not met.
    console.error(`bench: ${name}:`, error)
    process.exitCode = 1
  }
}
if (args.includes('--strict') && figures.some(({ met }) => !met)) process.exitCode = 1
// Some benchmarks leave kept connections behind.
process.exit()

function line({ name, unit, value, p95, floor, ratio, bar, met }: Figure): string {
  const numbers = `${short(value)} ${unit} (p95 ${short(p95)}), floor ${short(floor)}, ratio ${short(ratio)}`
  return `${met ? 'met   ' : 'MISSED'}  ${name}: ${numbers}; ${bar}`
}

/** Three digits that count. */
function short(value: number): string {
  return value >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(3)))
}

function save(measured: readonly Figure[]): void {
  const before = existsSync(resultsFile) ? (JSON.parse(readFileSync(resultsFile, 'utf8')) as readonly Figure[]) : []
  const kept = before.filter(({ name }) => !measured.some((figure) => figure.name === name))
  writeFileSync(resultsFile, `${JSON.stringify([...kept, ...measured], null, 2)}\n`)
}
