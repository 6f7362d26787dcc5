// The bundle carries the licence of everything in it, and starts no server to run a pipeline.

import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { bundle, packagesOf } from '../tools/bundle.ts'
import { temporaryDirectory } from './support/git-repository.ts'

const root = resolve(import.meta.dirname, '..')

test('every package that ends up in the bundle is there with its licence', { timeout: 60_000 }, async () => {
  using directory = temporaryDirectory('bundle')
  const metafile = await bundle(directory.path)
  const text = readFileSync(join(directory.path, 'THIRD-PARTY-LICENSES'), 'utf8')
  const packages = packagesOf(metafile)
  expect(packages).toContain('node_modules/fastify')
  for (const folder of packages) {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Record<
      string,
      string
    >
    expect(text).toContain(`${name} ${version}\n\n`)
    expect(license).toMatch(/^\(?(MIT|ISC|BSD-[23]-Clause|0BSD|Apache-2\.0|BlueOak-1\.0\.0|Python-2\.0|Unlicense)/)
  }
  expect(readdirSync(directory.path)).toEqual(
    expect.arrayContaining(['main.js', 'snapshot-worker.js', 'checkpoint-worker.js']),
  )
  // What every command loads, and what `slipway run` loads besides, directly or through others.
  const { outputs } = metafile
  const inputsOf = (start: string, seen = new Set<string>()): string[] => {
    if (seen.has(start)) return []
    seen.add(start)
    const { imports, inputs } = outputs[start] ?? { imports: [], inputs: {} }
    const eager = imports.filter(({ kind }) => kind === 'import-statement')
    return [...Object.keys(inputs), ...eager.flatMap(({ path }) => inputsOf(path, seen))]
  }
  const outputWith = (input: string) => Object.keys(outputs).find((name) => input in (outputs[name]?.inputs ?? {}))!
  const heavy = /node_modules\/(fastify|typebox)\/|^src\/cli\/commands\/(remote|serve)/
  const ofRuns = ['src/cli/run/run-command.ts', 'src/cli/run/start-runs.ts', 'src/server/local/local-server.ts']
  for (const entry of ['src/main.ts', ...ofRuns]) {
    const inputs = inputsOf(outputWith(entry))
    expect(inputs).toContain(entry)
    expect(inputs.filter((input) => heavy.test(input))).toEqual([])
  }
  expect(inputsOf(outputWith('src/main.ts')).filter((input) => input.includes('node_modules/yaml/'))).toEqual([])
})
