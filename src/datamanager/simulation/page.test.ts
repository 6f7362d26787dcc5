// docs/simulation.md says by what each failure is reached and which test would find each mistake: all of it is there.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { failures, namesReached } from './failures.ts'

const repository = join(import.meta.dirname, '../../..')
const page = readFileSync(join(repository, 'docs/simulation.md'), 'utf8')

/** Both columns of the table with this heading. */
function table(heading: string): readonly (readonly [string, string])[] {
  const [, ...lines] = page
    .slice(page.indexOf(`| ${heading} |`))
    .split('\n\n')[0]!
    .split('\n')
  return lines.slice(1).flatMap((line) => {
    const [, first, second] = /^\| (.*) \| (.*) \|$/.exec(line) ?? []
    return first === undefined || second === undefined ? [] : [[first, second] as const]
  })
}

test('the table of what can go wrong is that of the program', () => {
  const written = table('what can go wrong').map(([what, names]) => [what, names])
  const known = Object.entries(failures).map(([what, names]) => [what, names.map((name) => `\`${name}\``).join(', ')])
  expect(written).toEqual(known)
})

test('whatever can go wrong is something that every run must have been through', () => {
  const reached = namesReached()
  const missing = Object.values(failures)
    .flat()
    .filter((name) => !reached.has(name))
  expect(missing).toEqual([])
})

/** Why there is nothing that the page calls so; undefined when there is. */
function absent(where: string): string | undefined {
  const [, kind, name] = /^(simulation: |planted bug )`(.+)`$/.exec(where) ?? []
  if (name !== undefined) {
    const isThere =
      kind === 'planted bug '
        ? existsSync(join(repository, 'test/planted-bugs', `${name}.patch`))
        : namesReached().has(name)
    return isThere ? undefined : `no ${where}`
  }
  if (comparisons.includes(where)) return undefined
  const [, file, title] = /^`(.+\.ts)`: (.+)$/.exec(where) ?? []
  if (file === undefined || title === undefined) return `what is ${where}?`
  const path = join(repository, file)
  if (!existsSync(path)) return `no file ${file}`
  return readFileSync(path, 'utf8').includes(title) ? undefined : `${file} has no test: ${title}`
}

/** What every seed is compared with, by the words of the page. */
const comparisons = [
  'simulation: every manifest is the model at its position',
  'simulation: content hash at every position',
  'simulation: transfers between accounts, serialised',
  'simulation: transfers and closures that put twice',
]

test('each test that would find a mistake exists', () => {
  const rows = table('mistake')
  expect(rows.length).toBeGreaterThan(40)
  const missing = rows.flatMap(([mistake, where]) =>
    where.split('; ').flatMap((one) => {
      const why = absent(one)
      return why === undefined ? [] : [`${mistake}: ${why}`]
    }),
  )
  expect(missing).toEqual([])
})
