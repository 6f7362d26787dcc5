// Which file of a repository is its definition.

import { expect, test } from 'vitest'
import { chooseDefinition, definitionFileOf, definitionFiles } from './find-definition.ts'

test('the candidates in their order', () => {
  expect(definitionFiles.map(({ path }) => path)).toEqual([
    '.slipway/config.ts',
    '.slipway/config.star',
    '.slipway/config.jsonnet',
    '.slipway/config.json',
    '.slipway/config.yml',
    '.slipway/config.yaml',
    '.agola/config.star',
    '.agola/config.jsonnet',
    '.agola/config.json',
    '.agola/config.yml',
  ])
})

test.each([
  [['.agola/config.yml'], '.agola/config.yml', 'agola', []],
  [['README.md', '.slipway/config.yaml'], '.slipway/config.yaml', 'slipway', []],
  [
    ['.agola/config.jsonnet', '.slipway/config.yml'],
    '.slipway/config.yml',
    'slipway',
    ['.slipway/config.yml is used, .agola/config.jsonnet is ignored'],
  ],
  [
    ['.agola/config.yml', '.agola/config.json'],
    '.agola/config.json',
    'agola',
    ['.agola/config.json is used, .agola/config.yml is ignored'],
  ],
] as const)('of %j it is %s', (existing, path, dialect, notices) => {
  expect(chooseDefinition(existing)).toMatchObject({ kind: 'found', file: { path, dialect }, notices })
})

test('without a definition, names that come near are mentioned', () => {
  expect(chooseDefinition(['Makefile'])).toEqual({
    kind: 'none',
    message: 'no definition found: expected .slipway/config.yml or .agola/config.yml',
  })
  // Under .agola/ only the four names of the reference count.
  expect(chooseDefinition(['.agola/config.yaml'])).toEqual({
    kind: 'none',
    message:
      'no definition found: expected .slipway/config.yml or .agola/config.yml (.agola/config.yaml: not one of the names)',
  })
})

test.each([
  ['/home/u/app/.agola/config.yml', 'agola', 'yaml'],
  ['.slipway/config.json', 'slipway', 'json'],
  ['ci.yaml', 'slipway', 'yaml'],
  ['other/pipeline.jsonnet', 'slipway', 'jsonnet'],
])('%s is read as %s, %s', (path, dialect, language) => {
  expect(definitionFileOf(path)).toEqual({ path, dialect, language })
})

test('a file of another kind is no definition', () => {
  expect(definitionFileOf('Makefile')).toBeUndefined()
})
