// Imports point down: what each room may import, checked against the sources.

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

const source = resolve(import.meta.dirname, '../src')

/** What a room may import besides itself; a path names a single file that is the interface of its room. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  http: ['lib'],
  gitsource: ['lib'],
  contract: ['lib'],
  gateway: [
    'contract',
    'http',
    'configstore/api.ts',
    'configstore/types.ts',
    'configstore/provider-access.ts',
    'notification/api.ts',
    'notification/types.ts',
    'gitserver/api.ts',
    'runservice/api.ts',
    'runservice/executor-api.ts',
    'runservice/executors/executor-admin.ts',
    'runservice/reasons.ts',
    'runservice/types.ts',
    'gitsource',
    'pipeline',
    'datamanager/database.ts',
    'lib',
  ],
  coordination: ['objectstorage', 'lib'],
  objectstorage: ['lib'],
  datamanager: ['objectstorage', 'coordination', 'lib'],
  pipeline: ['lib'],
  configstore: ['gitsource', 'pipeline', 'datamanager', 'lib'],
  notification: [
    'http',
    'configstore/api.ts',
    'configstore/types.ts',
    'configstore/provider-access.ts',
    'runservice/api.ts',
    'runservice/reasons.ts',
    'runservice/types.ts',
    'gitsource',
    'pipeline',
    'datamanager/database.ts',
    'lib',
  ],
  gitserver: ['http', 'configstore/api.ts', 'configstore/types.ts', 'objectstorage', 'datamanager/database.ts', 'lib'],
  runservice: ['http', 'pipeline', 'datamanager', 'objectstorage', 'coordination', 'lib'],
  executor: [
    'runservice/executor-api.ts',
    'runservice/executor-protocol.ts',
    'runservice/reasons.ts',
    'runservice/types.ts',
    'runservice/logs',
    'pipeline',
    'objectstorage',
    'lib',
  ],
  server: [
    'gateway',
    'notification',
    'gitserver',
    'configstore',
    'http',
    'runservice',
    'executor',
    'gitsource',
    'pipeline',
    'datamanager',
    'objectstorage',
    'coordination',
    'lib',
  ],
  cli: ['server', 'contract', 'runservice', 'executor', 'pipeline', 'lib'],
  'version.ts': [],
  'main.ts': ['cli', 'lib', 'version.ts'],
}

/** The pure rooms do no input or output and have no clock. */
const pure = ['pipeline', 'runservice/scheduler']
const impureImports = /^node:(fs|net|http|https|child_process|worker_threads|os|process|timers)/

const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))

function importsOf(file: string): string[] {
  const text = readFileSync(join(source, file), 'utf8')
  return [...text.matchAll(/^(?:import|export)\b[^'"]*?from\s+['"]([^'"]+)['"]|import\(['"]([^'"]+)['"]\)/gms)].map(
    (match) => match[1] ?? match[2] ?? '',
  )
}

const isTest = (file: string) => /(\.test|-contract|-fixture)\.ts$/.test(file)

test('imports point down, and a room is entered only where its interface is', () => {
  const wrong: string[] = []
  for (const file of files.filter((name) => !isTest(name))) {
    const room = file.split('/')[0]!
    const may = allowed[room]
    if (may === undefined) wrong.push(`${file}: room ${room} is not in the layer table`)
    for (const specifier of importsOf(file).filter((name) => name.startsWith('.'))) {
      const target = relative(source, resolve(source, dirname(file), specifier))
      const isOwn = target.split('/')[0] === room
      if (!isOwn && !may?.some((name) => target === name || target.startsWith(`${name}/`)))
        wrong.push(`${file} imports ${target}`)
    }
  }
  expect(wrong).toEqual([])
})

test('the pure rooms do no input or output, and ask no clock', () => {
  const wrong: string[] = []
  for (const file of files.filter((name) => pure.some((room) => name.startsWith(`${room}/`)) && !isTest(name))) {
    for (const specifier of importsOf(file))
      if (impureImports.test(specifier)) wrong.push(`${file} imports ${specifier}`)
    const text = readFileSync(join(source, file), 'utf8')
    if (/\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bprocess\.(env|cwd)/.test(text))
      wrong.push(`${file} is not pure`)
  }
  expect(wrong).toEqual([])
})
