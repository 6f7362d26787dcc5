// Which events a `when` matches, and which of its rules decides.

import { expect, test } from 'vitest'
import { checkDefinition } from './config/check.ts'
import type { When } from './config/config.ts'
import type { GitEvent } from './event.ts'
import { anEvent } from './run-config-fixture.ts'
import { matchWhen } from './when.ts'

function aWhen(written: string): When | undefined {
  const checked = checkDefinition({ path: '.agola/config.yml', text: `runs: [{name: ci, when: ${written}}]` })
  expect(checked.errors).toEqual([])
  return checked.config?.runs[0]?.when
}

const branch = (name: string) => anEvent({ branch: name, ref: `refs/heads/${name}` })
const tag = (name: string) => anEvent({ refType: 'tag', branch: '', tag: name, ref: `refs/tags/${name}` })
const pullRequest = (id: string) =>
  anEvent({ refType: 'pull_request', branch: '', pullRequestId: id, ref: `refs/pull/${id}/head` })

const matching: readonly (readonly [written: string, event: GitEvent, rule: string | undefined])[] = [
  ['null', branch('any'), undefined],
  ['{branch: master}', branch('master'), 'branch master'],
  ['{branch: [a, master, /mast/]}', branch('master'), 'branch master'],
  ['{branch: /^rel/}', branch('release'), 'branch /^rel/'],
  ["{branch: '#^rel#'}", branch('release'), 'branch /^rel/'],
  ["{branch: '/(?i)MASTER/'}", branch('master'), 'branch /(?i)MASTER/'],
  ['{branch: //}', branch('//'), 'branch //'],
  ['{tag: v1}', tag('v1'), 'tag v1'],
  ['{ref: refs/heads/x}', branch('x'), 'ref refs/heads/x'],
  ["{ref: '#^refs/pull/#'}", pullRequest('7'), 'ref /^refs/pull//'],
  ['{branch: {include: /./, exclude: x}, ref: refs/heads/x}', branch('x'), 'ref refs/heads/x'],
  ['{branch: {include: /./, exclude: y}}', branch('x'), 'branch /./'],
]

test.each(matching)('%s matches %j by %s', (written, event, rule) => {
  expect(matchWhen(aWhen(written), event)).toEqual({ matches: true, ...(rule === undefined ? {} : { rule }) })
})

const refused: readonly (readonly [written: string, event: GitEvent, rule: string, ref: string])[] = [
  ['{}', branch('master'), '{}', 'refs/heads/master'],
  ['{branch: {}}', branch('master'), 'branch without an include', 'master'],
  ['{branch: {exclude: x}}', branch('master'), 'branch without an include', 'master'],
  ['{branch: {exclude: x}}', branch('x'), 'branch exclude x', 'x'],
  ['{branch: [main, /^v/]}', branch('x'), 'branch main, /^v/', 'x'],
  ['{branch: Master}', branch('master'), 'branch Master', 'master'],
  ['{branch: {include: /./, exclude: [a, /^re/]}}', branch('release'), 'branch exclude /^re/', 'release'],
  ['{branch: /./, ref: {exclude: /heads/}}', branch('x'), 'ref exclude /heads/', 'refs/heads/x'],
  ['{branch: {exclude: a}, ref: b}', branch('x'), 'branch without an include; ref b', 'refs/heads/x'],
  ['{branch: a, ref: b}', branch('x'), 'branch a; ref b', 'refs/heads/x'],
  ['{branch: /.*/}', tag('v1'), 'branch /.*/', 'refs/tags/v1'],
  ['{tag: /.*/}', branch('x'), 'tag /.*/', 'refs/heads/x'],
  ['{branch: /.*/, tag: /.*/}', pullRequest('7'), 'branch /.*/; tag /.*/', 'refs/pull/7/head'],
  ['{branch: ""}', anEvent({ branch: '', ref: 'HEAD' }), 'branch ', 'HEAD'],
]

test.each(refused)('%s refuses %j by %j', (written, event, rule, ref) => {
  expect(matchWhen(aWhen(written), event)).toEqual({ matches: false, skipped: { rule, ref } })
})

test('an event that has a branch although it is a tag is not matched by the branch', () => {
  const event = anEvent({ refType: 'tag', tag: 'v1', ref: 'refs/tags/v1' })
  expect(matchWhen(aWhen('{branch: master}'), event).matches).toBe(false)
})

test('an expression that backtracking engines take years for answers at once', () => {
  expect(matchWhen(aWhen("{branch: '/^(a+)+$/'}"), branch(`${'a'.repeat(5000)}b`)).matches).toBe(false)
})
