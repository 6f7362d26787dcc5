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
  // What main.js loads at once, directly or through others.
  const output = (path: string) => Object.entries(metafile.outputs).find(([name]) => name.endsWith(`/${path}`))
  const eager = new Set<string>()
  const visit = (name: string, { imports, inputs }: (typeof metafile.outputs)[string]) => {
    if (eager.has(name)) return
    eager.add(name)
    for (const input of Object.keys(inputs)) expect(input).not.toContain('node_modules/fastify/')
    for (const { path, kind } of imports)
      if (kind === 'import-statement')
        visit(path, metafile.outputs[path] ?? { imports: [], inputs: {}, exports: [], bytes: 0 })
  }
  visit(...output('main.js')!)
})
