// npm run planted-bugs -- [--minutes N] [--parallel N] [NAME...]
//
// Plants each bug of this folder (or those that are named), one at a time, in a copy of the sources, and prints what found
// it: a simulation that is worth something finds all of them. Ends with status 1 when one was not found within N minutes
// (default 2), which is what the simulation has in CI.

import { parseArgs } from 'node:util'
import { copySources, hunt, plantedBugs } from './plant.ts'

const { values, positionals } = parseArgs({
  options: { minutes: { type: 'string', default: '2' }, parallel: { type: 'string', default: '2' } },
  allowPositionals: true,
})
const minutes = Number(values.minutes)
const chosen = plantedBugs().filter(({ name }) => positionals.length === 0 || positionals.includes(name))
const queue = [...chosen]
const { signal } = new AbortController()
using sources = copySources()
let missed = 0

async function work(): Promise<void> {
  for (let bug = queue.shift(); bug; bug = queue.shift()) {
    const { isFound, seconds, said } = await hunt(bug, { sources: sources.path, minutes, signal })
    if (!isFound) missed++
    const columns = [isFound ? 'found ' : 'MISSED', `${seconds.toFixed(1)} s`, bug.name, bug.foundBy, said]
    process.stdout.write(`${columns.join(' | ').replaceAll('\n', ' ').slice(0, 240)}\n`)
  }
}
await Promise.all(Array.from({ length: Number(values.parallel) }, work))
process.stdout.write(`${chosen.length - missed} of ${chosen.length} found\n`)
if (missed > 0 || chosen.length === 0) process.exitCode = 1
