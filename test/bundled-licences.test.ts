// The bundle carries the licence of everything in it.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '..')

test('tools/build.sh names every package that ends up in the bundle', async () => {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['src/main.ts'],
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['@aws-sdk/*', '@grpc/*', 'pg'],
    write: false,
    metafile: true,
    logLevel: 'silent',
  })
  const packages = Object.keys(metafile.inputs).flatMap(
    (input) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? [],
  )
  const listed = /^for name in (.*); do$/m.exec(readFileSync(resolve(root, 'tools/build.sh'), 'utf8'))?.[1]?.split(' ')
  expect([...new Set(packages)].sort()).toEqual(listed)
})
