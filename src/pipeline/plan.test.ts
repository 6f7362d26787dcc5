// Which runs an event starts, and why not the rest.

import { expect, test } from 'vitest'
import { checkDefinition } from './config/check.ts'
import { planRuns } from './plan.ts'
import { anEvent } from './run-config-fixture.ts'

function configOf(text: string) {
  const checked = checkDefinition({ path: '.slipway/config.yml', text })
  expect(checked.errors).toEqual([])
  return checked.config!
}

const fourRuns = configOf(`
runs:
  - name: build
  - name: release
    when: {tag: /^v/}
  - name: nightly
    when: {branch: nightly}
  - name: prs
    when: {ref: '#refs/pull/.*#'}
`)
const nightly = { branch: 'nightly', ref: 'refs/heads/nightly' }

test.each([
  ['a push to master', anEvent(), ['build']],
  ['a push to nightly', anEvent(nightly), ['build', 'nightly']],
  [
    'a tag',
    anEvent({ refType: 'tag', branch: '', tag: 'v1.0', ref: 'refs/tags/v1.0', message: 'Tag v1.0' }),
    ['build', 'release'],
  ],
  [
    'a pull request',
    anEvent({ refType: 'pull_request', branch: '', pullRequestId: '3', ref: 'refs/pull/3/head', message: 'parser' }),
    ['build', 'prs'],
  ],
  ['a message with the marker in its body', anEvent({ ...nightly, message: 'x\n\n[ci skip] docs' }), []],
  ['two spaces in the marker', anEvent({ ...nightly, message: 'fix [ci  skip]' }), ['build', 'nightly']],
  // Other spellings of the marker that people know: the reference takes the first one in lower case only.
  ['a marker in capitals', anEvent({ ...nightly, message: 'fix [CI SKIP]' }), []],
  ['skip ci', anEvent({ ...nightly, message: 'fix [skip ci]' }), []],
  ['no ci', anEvent({ ...nightly, message: '[No CI] fix' }), []],
  ['a marker without brackets', anEvent({ ...nightly, message: 'do not ci skip' }), ['build', 'nightly']],
] as const)('%s', (_what, event, names) => {
  const created = planRuns(fourRuns, event).filter(({ kind }) => kind === 'created')
  expect(created.map(({ run }) => run.name)).toEqual(names)
})

test('each run that is not created says why', () => {
  expect(planRuns(fourRuns, anEvent(nightly))).toMatchObject([
    { kind: 'created' },
    { kind: 'not_created', reason: { kind: 'skipped_when', rule: 'tag /^v/', ref: 'refs/heads/nightly' } },
    { kind: 'created', rule: 'branch nightly' },
    {
      kind: 'not_created',
      reason: { kind: 'skipped_when', rule: 'ref /refs/pull/.*/', ref: 'refs/heads/nightly' },
    },
  ])
  expect(planRuns(fourRuns, anEvent({ message: '[Skip CI]' }))[0]).toMatchObject({
    kind: 'not_created',
    reason: { kind: 'skipped_message', marker: '[Skip CI]' },
  })
})

test('each task that cannot be executed says why, also through its parents, in the order of the file', () => {
  const config = configOf(`
runs:
  - name: ci
    tasks:
      - {name: notify, runtime: {containers: [{image: alpine}]}, depends: [deploy: [on_success, on_skipped]]}
      - {name: announce, runtime: {containers: [{image: alpine}]}, depends: [deploy]}
      - {name: build, runtime: {containers: [{image: alpine}]}}
      - {name: deploy, runtime: {containers: [{image: alpine}]}, depends: [build], when: {branch: main}}
      - {name: celebrate, runtime: {containers: [{image: alpine}]}, depends: [announce]}
`)
  const [run] = planRuns(config, anEvent())
  expect(run?.kind === 'created' ? run.tasks.map(({ task, level, skip }) => [task.name, level, skip]) : []).toEqual([
    ['notify', 2, undefined],
    ['announce', 2, { kind: 'skipped_dependency', task: 'deploy', outcome: 'skipped' }],
    ['build', 0, undefined],
    ['deploy', 1, { kind: 'skipped_when', rule: 'branch main', ref: 'master' }],
    ['celebrate', 3, { kind: 'skipped_dependency', task: 'announce', outcome: 'skipped' }],
  ])
})
