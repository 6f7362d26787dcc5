// What is wrong in a definition is said with the words people know from the reference, with its place, all at once.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../../lib/limits.ts'
import { checkDefinition } from './check.ts'
import { formatDiagnostic } from './diagnostic.ts'

const agola = (text: string) => checkDefinition({ path: '.agola/config.yml', text })
const slipway = (text: string) => checkDefinition({ path: '.slipway/config.yml', text })

/** A run `ci` of tasks that have a runtime and what is given, in flow style. */
function runOf(...tasks: readonly string[]): string {
  const items = tasks.map((task) => `{runtime: {containers: [{image: alpine}]}, ${task}}`)
  return `runs: [{name: ci, tasks: [${items.join(', ')}]}]`
}
const taskOf = (part: string) => runOf(`name: t, ${part}`)
const runtimeOf = (runtime: string) => `runs: [{name: ci, tasks: [{name: t, runtime: ${runtime}}]}]`
const long = 'x'.repeat(101)
const credentials = 'docker_registries_auth: {index.docker.io: null}'

const errorSamples: readonly (readonly [id: string, text: string, ...messages: string[]])[] = [
  ['E1', '', 'no runs defined'],
  ['E1', '{}', 'no runs defined'],
  ['E1', 'runs:', 'no runs defined'],
  ['E1', 'runs: []', 'no runs defined'],
  ['E2', 'runs: [null]', 'run at index 0 is empty'],
  ['E3', 'runs: [{tasks: []}]', 'run at index 0 has empty name'],
  ['E3', 'runs: [{name: ""}]', 'run at index 0 has empty name'],
  ['E3', 'runs: [{name: null}]', 'run at index 0 has empty name'],
  ['E4', `runs: [{name: ${long}}]`, `run name "${long}" too long`],
  ['E5', 'runs: [{name: ci}, {name: ci}]', 'duplicate run name: ci'],
  ['E6', 'runs: [{name: ci, tasks: [null]}]', 'run "ci": task at index 0 is empty'],
  ['E7', runOf('user: u'), 'run "ci": task at index 0 has empty name'],
  ['E8', runOf(`name: ${long}`), `task name "${long}" too long`],
  ['E9', runOf('name: t', 'name: t'), 'duplicate task name: t'],
  ['E10', 'runs: [{name: ci, tasks: [{name: t}]}]', 'task "t": runtime is not defined'],
  ['E11', runtimeOf('{type: vm, containers: [{image: alpine}]}'), 'task "t" runtime: wrong type "vm"'],
  ['E12', runtimeOf('{}'), 'task "t" runtime: at least one container must be defined'],
  ['E12', runtimeOf('{containers: []}'), 'task "t" runtime: at least one container must be defined'],
  ['E13', runtimeOf('{arch: mips, containers: [{image: alpine}]}'), 'task "t" runtime: invalid arch "mips"'],
  ['E14', runtimeOf('{containers: [{image: alpine, volumes: [{path: /x}]}]}'), 'no volume config specified'],
  ['E14', runtimeOf('{containers: [{image: alpine, volumes: [{path: /x, tmpfs: }]}]}'), 'no volume config specified'],
  ['E15', taskOf('depends: [u]'), 'run task "u" needed by task "t" doesn\'t exist'],
  ['E16', taskOf('depends: [t]'), 'circular dependency between task "t" and tasks "t"'],
  [
    'E17',
    runOf('name: a, depends: [b]', 'name: b, depends: [a]'),
    'circular dependency between task "a" and tasks "b"',
    'circular dependency between task "b" and tasks "a"',
  ],
  [
    'E18',
    runOf('name: a, depends: [b]', 'name: b, depends: [c]', 'name: c, depends: [a]'),
    'circular dependency between task "a" and tasks "c"',
    'circular dependency between task "b" and tasks "a"',
    'circular dependency between task "c" and tasks "b"',
  ],
  [
    'E19',
    runOf('name: a', 'name: b, depends: [a]', 'name: c, depends: [b, a]'),
    'task "c" and its dependency "b" have both a dependency on task "a"',
  ],
  ['E20', runOf('name: a', 'name: t, depends: [a, {a: [on_failure]}]'), 'duplicate task dependency: t'],
  ['E21', taskOf('steps: [{clone: {depth: 0}}]'), 'depth value must be greater than 0 for clone step in task "t"'],
  ['E23', taskOf('steps: [{run: null}]'), 'no command defined for step 0 (run) in task "t"'],
  ['E23', taskOf('steps: [{run: ""}]'), 'no command defined for step 0 (run) in task "t"'],
  ['E23', taskOf('steps: [{type: run}]'), 'no command defined for step 0 (run) in task "t"'],
  [
    'E24',
    taskOf('steps: [{run: make}, {save_cache: {contents: []}}]'),
    'no key defined for step 1 (save_cache) in task "t"',
  ],
  ['E25', taskOf('steps: [{restore_cache: {dest_dir: x}}]'), 'no keys defined for step 0 (restore_cache) in task "t"'],
  ['E26', `${credentials}\nruns: [{name: ci}]`, 'docker registries auth "index.docker.io" is empty'],
  ['E27', `runs: [{name: ci, ${credentials}}]`, 'run "ci", docker registries auth "index.docker.io" is empty'],
  ['E28', taskOf(credentials), 'run "ci", task "t", docker registries auth "index.docker.io" is empty'],
  ['E29', taskOf('environment: {A: 1}'), 'unknown value format: 1'],
  ['E29', taskOf('environment: {A: true}'), 'unknown value format: true'],
  ['E29', taskOf('environment: {A: 12345678}'), 'unknown value format: 1.2345678e+07'],
  ['E29', taskOf('environment: {A: [x, z]}'), 'unknown value format: [x z]'],
  ['E30', taskOf('environment: {A: null}'), 'unknown value format: <nil>'],
  ['E30', 'docker_registries_auth: {quay.io: {username: null}}\nruns: [{name: ci}]', 'unknown value format: <nil>'],
  ['E31', taskOf('environment: {A: {from_variable: 5}}'), 'unknown value format: 5'],
  ['E32', taskOf('depends: [1]'), 'unsupported depend entry format'],
  ['E32', taskOf('depends: [null]'), 'unsupported depend entry format'],
  ['E32', taskOf('depends: [{a: null}]'), 'unsupported depend entry format'],
  ['E32', taskOf('depends: [[a]]'), 'unsupported depend entry format'],
  ['E33', taskOf('when: {branch: 1}'), 'wrong when format'],
  ['E33', taskOf('when: {tag: true}'), 'wrong when format'],
  ['E34', taskOf('when: {branch: {only: master}}'), 'expected one of "include" or "exclude", got only'],
  ['E35', taskOf('when: {tag: [1.0]}'), 'expected string'],
  ['E36', taskOf("when: {branch: '/(/'}"), 'wrong regular expression: error parsing regexp: missing closing ): `(`'],
  ['E37', taskOf('steps: [{script: make}]'), 'unknown step type: script'],
  ['E37', taskOf('steps: [{type: script}]'), 'unknown step type: script'],
  [
    'E38',
    taskOf('steps: [{run: make, name: x}]'),
    'wrong steps description at index 0: more than one step name per list entry',
  ],
  ['E39', taskOf('steps: [{type: 3}]'), 'step type at index 0 must be a string'],
  ['E40', taskOf('task_timeout_interval: 5d'), 'failed to unmarshal duration: time: unknown unit "d" in duration "5d"'],
  ['E41', taskOf('task_timeout_interval: true'), 'invalid duration: true'],
  ['E42', taskOf('steps: [clone]'), 'wrong type: a string; expected "- clone:" with a colon'],
  ['E42', taskOf('steps: [{run: 5}]'), 'wrong type: a number; expected a command (string) or a map'],
  ['E42', taskOf('depends: a'), 'wrong type: a string; expected a list of dependencies'],
  ['E42', taskOf('approval: "yes"'), 'wrong type: a string; expected true or false'],
  ['E42', taskOf('steps: [{restore_cache: {keys: npm}}]'), 'wrong type: a string; expected a list of strings'],
  ['E42', 'runs: {ci: {}}', 'wrong type: a map; expected a list of runs'],
  ['E42', taskOf('steps: [{run: {command: 5}}]'), 'wrong type: a number; expected a string (in quotes)'],
  ['E43', 'runs:\n\t- name: ci\n', 'yaml: '],
  ['E43', 'runs: [{name: "ci}]', 'yaml: '],
  ['E43', 'runs: *nothing', 'yaml: '],
]

test.each(errorSamples)('%s: %j says what is wrong, and nothing else', (_id, text, ...messages) => {
  for (const checked of [agola(text), slipway(text)]) {
    expect(checked.config).toBeUndefined()
    expect(checked.errors).toHaveLength(messages.length)
    for (const [index, message] of messages.entries())
      expect(formatDiagnostic(checked.errors[index]!)).toContain(message)
  }
})

test('E46: a definition may have 1 MiB, not a byte more', () => {
  const padded = (bytes: number) => 'runs: [{name: ci}] #'.padEnd(bytes, '#')
  expect(agola(padded(1_048_576)).errors).toEqual([])
  expect(agola(padded(1_048_577)).errors.map(formatDiagnostic)).toEqual([
    '.agola/config.yml: config size is greater than allowed max config size: 1048577 > 1048576',
  ])
})

test.each([
  ['config.star', 'starlark'],
  ['config.jsonnet', 'jsonnet'],
  ['config.ts', 'typescript'],
])('%s is known, but not evaluated yet', (name, language) => {
  expect(checkDefinition({ path: `.slipway/${name}`, text: '' }).errors.map(formatDiagnostic)).toEqual([
    `.slipway/${name}: this version evaluates definitions in YAML and JSON only, not in ${language}`,
  ])
})

test('all errors are reported at once, in the order of the file, each with line, column and path', () => {
  const text = [
    'runs:',
    '  - name: ci',
    '    tasks:',
    '      - name: build',
    '        runtime: {type: vm, containers: [{image: alpine}]}',
    '        environment:',
    '          A: 1',
    '        steps:',
    '          - run: {command: 5}',
    '          - type: run',
    '            command: {}',
    '      - name: test',
    '        depends: [compile]',
    '        docker_registries_auth: {quay.io: null}',
    '  - name: ci',
  ].join('\n')
  expect(agola(text).errors.map(formatDiagnostic)).toEqual([
    '.agola/config.yml:5:25: runs[0].tasks[0].runtime.type: task "build" runtime: wrong type "vm"; expected pod',
    '.agola/config.yml:7:14: runs[0].tasks[0].environment.A: unknown value format: 1; expected a string (numbers and booleans in quotes) or {from_variable: NAME}',
    '.agola/config.yml:9:28: runs[0].tasks[0].steps[0].run.command: wrong type: a number; expected a string (in quotes)',
    '.agola/config.yml:11:22: runs[0].tasks[0].steps[1].command: wrong type: a map; expected a string',
    '.agola/config.yml:12:9: runs[0].tasks[1]: task "test": runtime is not defined; expected runtime with containers',
    '.agola/config.yml:13:19: runs[0].tasks[1].depends[0]: run task "compile" needed by task "test" doesn\'t exist; expected a task of the same run',
    '.agola/config.yml:14:43: runs[0].tasks[1].docker_registries_auth["quay.io"]: run "ci", task "test", docker registries auth "quay.io" is empty; expected username and password',
    '.agola/config.yml:15:5: runs[1]: duplicate run name: ci',
  ])
})

test('what is ignored begins at the separator', () => {
  expect(agola('---\nruns: [{name: ci}]\n---\n# text\n---\nx: 1').warnings).toMatchObject([{ line: 3, column: 1 }])
})

test('a broken document names the line', () => {
  const [error] = agola('runs:\n  - name: ci\n   tasks: []\n').errors
  expect(error).toMatchObject({ line: 3, severity: 'error', path: '' })
})

/** What the reference takes in silence: a warning under .agola/, an error under .slipway/. */
const doubts: readonly (readonly [what: string, text: string, message: string])[] = [
  ['an unknown key', taskOf('dependss: []'), 'unknown key "dependss"'],
  ['an unknown key at the top', 'on: push\nruns: [{name: ci}]', 'unknown key "true"'],
  ['a key in other letter case', 'Runs: [{name: ci}]', '"Runs"'],
  ['a key given twice', 'runs: [{name: a, name: ci}]', 'key "name" is given twice; the last one wins'],
  ['a second document', 'runs: [{name: ci}]\n---\nruns: []', 'only the first document is read'],
  [
    'a second document after a marked first one',
    '# text\n%YAML 1.1\n---\nruns: [{name: ci}]\n---\n# text\n---\nx: 1',
    'only the first document is read',
  ],
  ['an unknown condition', runOf('name: a', 'name: b, depends: [{a: [on_sucess]}]'), 'unknown condition "on_sucess"'],
  ['a value map without from_variable', taskOf('environment: {A: {variable: x}}'), 'this is the empty string'],
  ['an include of a wrong type', taskOf('when: {branch: {include: 5}}'), 'this counts as an empty list'],
  ['a step condition', taskOf('steps: [{type: run, command: make, when: {branch: x}}]'), 'a step has no condition'],
  ['a negative timeout', taskOf('task_timeout_interval: -1s'), 'a negative timeout ends the task at once'],
  ['a timeout of some nanoseconds', taskOf('task_timeout_interval: 60'), 'nanoseconds: this is 60 ns'],
  ['an impossible variable name', taskOf('environment: {A=B: x}'), '"A=B" cannot be the name'],
  ['an empty cache key', taskOf('steps: [{restore_cache: {keys: [null]}}]'), 'is empty'],
  ['a malformed image name', runtimeOf('{containers: [{image: "Alpine:"}]}'), 'could not parse image name'],
  [
    'a malformed pattern',
    taskOf('steps: [{save_cache: {key: k, contents: [{paths: ["{a"]}]}}]'),
    'syntax error in pattern: missing closing }',
  ],
  ['a malformed cache key', taskOf("steps: [{save_cache: {key: '{{ md5 }}'}}]"), 'function "md5" not defined'],
  ['a malformed prefix', taskOf("steps: [{restore_cache: {keys: ['{{ os']}}]"), 'template: '],
  ['a cache key that is too long', taskOf(`steps: [{save_cache: {key: ${'k'.repeat(201)}}}]`), 'longer than 200 bytes'],
  [
    'docker.io as a registry',
    'docker_registries_auth: {docker.io: {username: u}}\nruns: [{name: ci}]',
    'is not a registry name',
  ],
  ['an image as a registry', taskOf('docker_registries_auth: {ghcr.io/org: {username: u}}'), 'is not a registry name'],
  [
    'auth that is not base64 of user:password',
    taskOf('docker_registries_auth: {quay.io: {type: encodedauth, auth: hello}}'),
    'this cannot be used to log in',
  ],
]

test.each(doubts)('%s is a warning under .agola/ and an error under .slipway/', (_what, text, message) => {
  const lenient = agola(text)
  expect(lenient.errors.map(formatDiagnostic)).toEqual([])
  expect(lenient.config).toBeDefined()
  expect(lenient.warnings.map(formatDiagnostic).join('\n')).toContain(message)
  const strict = slipway(text)
  expect(strict.config).toBeUndefined()
  expect(strict.errors.map(formatDiagnostic).join('\n')).toContain(message)
})

/** What may be meant, but hardly is: a warning everywhere. */
const surprises: readonly (readonly [what: string, text: string, message: string])[] = [
  ['a float as a name', 'runs: [{name: 1.10}]', '1.10 is read as a number, which gives "1.1"'],
  ['a boolean as a name', 'runs: [{name: yes}]', 'yes is read as a boolean, which gives "true"'],
  ['an octal user', taskOf('user: 0100'), '0100 is read as a number, which gives "64"'],
  ['a container without image', runtimeOf('{containers: [{user: u}]}'), 'no image: only the host driver'],
  ['an empty when', taskOf('when: {}'), 'this never matches'],
  ['an exclude alone', taskOf('when: {branch: {exclude: x}}'), 'this never matches'],
  ['saving nothing', taskOf('steps: [{save_to_workspace: {contents: [{source_dir: a}]}}]'), 'nothing is saved'],
  ['two spaces in a shell', taskOf('shell: /bin/sh  -e'), 'this has empty words'],
  [
    'half a byte',
    runtimeOf('{containers: [{image: alpine, volumes: [{path: /x, tmpfs: {size: 512m}}]}]}'),
    '"m" is a fraction of a byte: this is 1 byte',
  ],
  [
    'auth without its type',
    taskOf('docker_registries_auth: {quay.io: {username: u, password: p, auth: dTpw}}'),
    'auth has no effect',
  ],
]

test.each(surprises)('%s is a warning', (_what, text, message) => {
  for (const checked of [agola(text), slipway(text)]) {
    expect(checked.errors.map(formatDiagnostic)).toEqual([])
    expect(checked.warnings.map(formatDiagnostic).join('\n')).toContain(message)
  }
})

/** What breaks the reference, or fails there later: an error with its place in every definition. */
test.each([
  ['a null container', runtimeOf('{containers: [null]}'), 'container at index 0 is empty'],
  ['a null step', taskOf('steps: [null]'), 'step at index 0 is empty'],
  ['an empty step', taskOf('steps: [{}]'), 'step at index 0 is empty'],
  ['a null content', taskOf('steps: [{save_cache: {key: k, contents: [null]}}]'), 'content at index 0 is empty'],
  [
    'an unknown credential type',
    taskOf('docker_registries_auth: {quay.io: {type: token}}'),
    'unsupported auth type "token"',
  ],
  [
    'a negative size',
    runtimeOf('{containers: [{image: alpine, volumes: [{path: /x, tmpfs: {size: -1}}]}]}'),
    'a negative size',
  ],
])('%s is an error', (_what, text, message) => {
  for (const checked of [agola(text), slipway(text)]) {
    expect(checked.errors).toHaveLength(1)
    expect(checked.errors[0]).toMatchObject({ message: expect.stringContaining(message), line: 1 })
    expect(checked.errors[0]!.column).toBeGreaterThan(1)
  }
})

test.each(['quay.io', 'https://quay.io', 'http://registry:5000/v1/', 'https://index.docker.io/v2/', '10.0.0.1:5000'])(
  '%s is a registry name',
  (name) => {
    const text = taskOf(`docker_registries_auth: {"${name}": {username: u, password: p}}`)
    expect(slipway(text)).toMatchObject({ errors: [], warnings: [] })
  },
)

test.each([
  ['depend', 'depends'],
  ['enviroment', 'environment'],
  ['workingDir', 'working_dir'],
  ['when ', 'when'],
  ['setps', 'steps'],
])('an unknown key %j suggests %j', (written, meant) => {
  expect(slipway(taskOf(`"${written}": null`)).errors[0]).toMatchObject({ expected: JSON.stringify(meant) })
})

test.each([
  ['Windows line ends', 'runs:\r\n  - name: ci\r\n'],
  ['a byte order mark', '\uFEFFruns: [{name: ci}]'],
  ['document markers', '---\nruns: [{name: ci}]\n---\n# nothing more\n'],
  ['three hyphens inside a text', 'runs: [{name: ci}]\nx-a: |\n  ---\n  b\n'],
])('%s are no matter', (_what, text) => {
  const checked = slipway(text)
  expect(checked).toMatchObject({ errors: [], warnings: [], config: { runs: [{ name: 'ci' }] } })
})

test('a name of 100 bytes is not too long, bytes count and not characters', () => {
  expect(slipway(`runs: [{name: ${'é'.repeat(50)}}]`).errors).toEqual([])
  expect(slipway(`runs: [{name: ${'é'.repeat(51)}}]`).errors).toHaveLength(1)
})

test('keys that begin with x- are the author’s own', () => {
  const checked = slipway('x-base: &base {image: alpine}\nruns: [{name: ci, x-note: hello}]')
  expect(checked).toMatchObject({ errors: [], warnings: [] })
})

test('the version that many definitions written for the reference begin with is not worth a warning', () => {
  const text = 'version: v0\nruns: [{name: ci, version: 1}]'
  expect(agola(text).warnings).toMatchObject([{ path: 'runs[0].version' }])
  expect(slipway(text).errors).toMatchObject([{ path: 'version' }, { path: 'runs[0].version' }])
})

test('an exactly written key wins over one in other letter case', () => {
  expect(agola('runs: [{name: exact, Name: folded}]').config?.runs[0]?.name).toBe('exact')
  expect(agola('RUNS: [{nAmE: ci}]').config?.runs[0]?.name).toBe('ci')
})

test('executor labels are honoured under .slipway/ only', () => {
  const text = taskOf('executor: {labels: {zone: eu, gpu: "1"}}')
  expect(slipway(text).config?.runs[0]?.tasks[0]?.executorLabels).toEqual({ zone: 'eu', gpu: '1' })
  const lenient = agola(text)
  expect(lenient.config?.runs[0]?.tasks[0]?.executorLabels).toEqual({})
  expect(lenient.warnings.map(formatDiagnostic)).toEqual([
    expect.stringContaining('runs[0].tasks[0].executor: key "executor" is honoured under .slipway/ only'),
  ])
})

test('the dialect can be given instead of following from the folder', () => {
  const definition = { path: 'elsewhere/ci.yml', text: 'on: push\nruns: [{name: ci}]' }
  expect(checkDefinition(definition).errors).toHaveLength(1)
  expect(checkDefinition({ ...definition, dialect: 'agola' }).errors).toHaveLength(0)
})

test('only unknown conditions never match, known ones beside them do', () => {
  const conditionsOf = (conditions: string) =>
    agola(runOf('name: a', `name: b, depends: [{task: a, conditions: ${conditions}}]`)).config?.runs[0]?.tasks[1]
      ?.depends[0]?.conditions
  expect(conditionsOf('[on_sucess]')).toEqual([])
  expect(conditionsOf('[on_sucess, on_failure]')).toEqual(['on_failure'])
  expect(conditionsOf('[]')).toEqual(['on_success'])
  expect(conditionsOf('[on_failure, on_failure]')).toEqual(['on_failure', 'on_failure'])
})

test.each([
  ['the smallest unit', '1ns', 1],
  ['a part of a millisecond', '1500us', 2],
  ['an hour', '1h', 3_600_000],
  ['an explicit zero', '0', 0],
  ['bare nanoseconds', '20000000000', 20_000],
  ['a fraction of a nanosecond', '1.9e9', 1900],
  ['less than no time', '-5s', 1],
])('a timeout of %s is rounded up to milliseconds', (_what, written, timeoutMs) => {
  expect(agola(taskOf(`task_timeout_interval: ${written}`)).config?.runs[0]?.tasks[0]?.timeoutMs).toBe(timeoutMs)
})

test('a flood of errors is cut, and counted', () => {
  const { errors } = agola(`runs: [${'null, '.repeat(500)}]`)
  expect(errors).toHaveLength(limits.definitionDiagnostics.value + 1)
  expect(errors.at(-1)?.message).toBe('400 more of these are not listed')
})

test('a name as long as the definition does not make a message as long', () => {
  const [error] = agola(`runs: [{name: ${'x'.repeat(100_000)}}]`).errors
  expect(error?.message).toMatch(/^run name "x{250,300}\.\.\.$/)
})

test('control characters do not reach a terminal', () => {
  const { errors } = agola(runOf('name: t', 'name: u, depends: ["\\e[31m\\nred\\u009b"]'))
  expect(errors.map(formatDiagnostic)).toEqual([
    expect.stringContaining('run task "\\u001b[31m\\nred\\u009b" needed by task "u"'),
  ])
})

test('a task named like a member of every object is a task like others', () => {
  const text = runOf(
    'name: __proto__, environment: {__proto__: a, constructor: b}',
    'name: constructor, depends: [__proto__]',
  )
  const task = slipway(text).config?.runs[0]?.tasks[0]
  expect(Object.entries(task?.environment ?? {})).toEqual([
    ['__proto__', 'a'],
    ['constructor', 'b'],
  ])
})

const keyNames = [
  'runs',
  'name',
  'tasks',
  'when',
  'runtime',
  'containers',
  'image',
  'environment',
  'steps',
  'depends',
  'run',
  'clone',
  'type',
  'command',
  'keys',
  'key',
  'contents',
  'paths',
  'branch',
  'include',
  'task',
  'conditions',
  'volumes',
  'tmpfs',
  'size',
  'executor',
  'labels',
  'docker_registries_auth',
  'username',
  'auth',
  'task_timeout_interval',
  'from_variable',
]

/** JSON that knows the words, so that it gets deep into the model. */
const { anyValue } = fc.letrec((tie) => ({
  anyValue: fc.oneof(
    { maxDepth: 8, withCrossShrink: true },
    fc.oneof(fc.constantFrom('run', 'clone', 'a', '/(/', '1h', 'on_success', '512m', ''), fc.string()),
    fc.oneof(fc.integer(), fc.double(), fc.boolean(), fc.constant(null)),
    fc.array(tie('anyValue'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.constantFrom(...keyNames), fc.string()), tie('anyValue'), { maxKeys: 6 }),
  ),
}))

test('any JSON is either a config or has errors, and nothing is thrown', () => {
  fc.assert(
    fc.property(anyValue, fc.constantFrom('agola', 'slipway'), (value, dialect) => {
      const document = { runs: [{ name: 'ci', tasks: [{ name: 't', runtime: value, steps: value, depends: value }] }] }
      for (const content of [value, { runs: value }, document]) {
        const checked = checkDefinition({ path: `.${dialect}/config.json`, text: JSON.stringify(content) ?? '' })
        expect(checked.config === undefined).toBe(checked.errors.length > 0)
        for (const found of [...checked.errors, ...checked.warnings]) expect(formatDiagnostic(found)).not.toBe('')
      }
    }),
    { numRuns: 200 },
  )
})

test('any text is either a config or has errors', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'{}[]:,-&*!|>"\'#\n \tab1'.split('')) }), (text) => {
      const checked = slipway(text)
      expect(checked.config === undefined).toBe(checked.errors.length > 0)
    }),
    { numRuns: 300 },
  )
})
