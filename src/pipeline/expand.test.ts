// What always holds of an expanded run; the worked samples are in samples.test.ts.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkDefinition } from './config/check.ts'
import { expandRun, taskLevels } from './expand.ts'
import type { RunConfig, Value } from './run-config.ts'
import { anEvent, countingIds } from './run-config-fixture.ts'

function expand(text: string, variables: ReadonlyMap<string, Value> = new Map()) {
  const checked = checkDefinition({ path: '.slipway/config.yml', text })
  expect(checked.errors).toEqual([])
  const config = checked.config!
  return expandRun({ config, run: config.runs[0]!, event: anEvent(), variables, newId: countingIds() })
}

const container = 'runtime: {containers: [{image: alpine}]}'

test('a secret variable stays a reference wherever it is used', () => {
  const { runConfig } = expand(
    `
runs:
  - name: ci
    tasks:
      - name: t
        runtime: {containers: [{image: alpine, environment: {A: {from_variable: token}}}]}
        environment: {B: {from_variable: token}}
        docker_registries_auth:
          one.example.org: {username: u, password: {from_variable: token}}
          two.example.org: {type: encodedauth, auth: {from_variable: token}}
        steps:
          - run: {command: make, environment: {C: {from_variable: token}}}
`,
    new Map([['token', { secret: 'sealed-1' }]]),
  )
  const [task] = runConfig.tasks
  const sealed = { secret: 'sealed-1' }
  expect(task?.runtime.containers[0]?.environment).toEqual({ A: sealed })
  expect(task?.environment).toEqual({ B: sealed })
  expect(task?.steps[0]).toMatchObject({ environment: { C: sealed } })
  expect(task?.registryAuth).toEqual({
    'one.example.org': { type: 'basic', username: 'u', password: sealed },
    'two.example.org': { type: 'encodedauth', auth: sealed },
  })
})

test('variables without a value are empty strings, and named', () => {
  const text = `runs: [{name: ci, tasks: [{name: t, ${container}, environment: {A: {from_variable: z}, B: {from_variable: a}, C: {from_variable: z}}}]}]`
  const { runConfig, undefinedVariables } = expand(text)
  expect(runConfig.tasks[0]?.environment).toEqual({ A: '', B: '', C: '' })
  expect(undefinedVariables).toEqual(['a', 'z'])
})

test('a task that is skipped says which rule refused what', () => {
  const { runConfig } = expand(`runs: [{name: ci, tasks: [{name: t, when: {branch: main}, ${container}}]}]`)
  expect(runConfig.tasks[0]?.skip).toEqual({ rule: 'branch main', ref: 'master' })
})

test('executor labels and clone options arrive', () => {
  const { runConfig } = expand(
    `runs: [{name: ci, tasks: [{name: t, executor: {labels: {zone: eu}}, ${container}, steps: [{clone: {depth: 1, recurse_submodules: true}}]}]}]`,
  )
  expect(runConfig.tasks[0]).toMatchObject({
    executorLabels: { zone: 'eu' },
    steps: [{ type: 'clone', name: 'Clone repository and checkout code', depth: 1, recurseSubmodules: true }],
  })
})

test('the same input gives the same result', () => {
  const text = `runs: [{name: ci, tasks: [{name: t, ${container}, steps: [{run: make}]}]}]`
  expect(expand(text)).toEqual(expand(text))
})

test('a cycle is not expanded', () => {
  const depends = (task: string) => [{ task, conditions: ['on_success'] as const }]
  expect(() =>
    taskLevels([
      { name: 'a', depends: depends('b') },
      { name: 'b', depends: depends('a') },
    ]),
  ).toThrowError('circular dependency')
})

/** Tasks that depend on earlier ones only, without a dependency that another one implies. */
const arbitraryGraph = fc
  .array(fc.array(fc.nat(20), { maxLength: 3 }), { minLength: 1, maxLength: 12 })
  .map((wanted) => {
    const ancestors: Set<number>[] = []
    return wanted.map((candidates, index) => {
      const parents = [...new Set(candidates.filter((parent) => parent < index))]
      const direct = parents.filter(
        (parent) => !parents.some((other) => other !== parent && ancestors[other]!.has(parent)),
      )
      ancestors.push(new Set(direct.flatMap((parent) => [parent, ...ancestors[parent]!])))
      return direct
    })
  })

function definitionOf(graph: readonly (readonly number[])[]): string {
  const tasks = graph.map((parents, index) => ({
    name: `t${index}`,
    runtime: { containers: [{ image: 'alpine' }] },
    depends: parents.map((parent) => `t${parent}`),
  }))
  return JSON.stringify({ runs: [{ name: 'ci', tasks: tasks.toReversed() }] })
}

test('ids are unique, dependencies known and free of cycles, and a level is one more than the highest parent’s', () => {
  fc.assert(
    fc.property(arbitraryGraph, (graph) => {
      const { runConfig } = expand(definitionOf(graph))
      const byId = new Map(runConfig.tasks.map((task) => [task.id, task]))
      expect(byId.size).toBe(graph.length)
      for (const task of runConfig.tasks) {
        const parents = task.depends.map(({ taskId }) => byId.get(taskId))
        expect(parents).not.toContain(undefined)
        expect(task.level).toBe(Math.max(-1, ...parents.map((parent) => parent!.level)) + 1)
      }
      expect(expand(definitionOf(graph)).runConfig).toEqual<RunConfig>(runConfig)
    }),
    { numRuns: 100 },
  )
})
