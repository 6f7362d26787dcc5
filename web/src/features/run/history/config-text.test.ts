import { expect, test } from 'vitest'
import { configText } from './config-text.ts'

test('an expanded definition reads like one', () => {
  const text = configText({
    name: 'build',
    timeoutMs: 0,
    ignoreFailure: false,
    environment: { KEY: { secret: true }, MODE: 'fast' },
    depends: [{ task: 'lint', conditions: ['on_success'] }],
    registryAuth: {},
    steps: [{ type: 'run', command: 'make\nmake test\n', name: 'true' }],
  })
  expect(text.split('\n')).toEqual([
    'name: build',
    'environment:',
    '  KEY: (secret)',
    '  MODE: fast',
    'depends:',
    '  - task: lint',
    '    conditions:',
    '      - on_success',
    'steps:',
    '  - type: run',
    '    command: |',
    '      make',
    '      make test',
    '    name: "true"',
  ])
})
