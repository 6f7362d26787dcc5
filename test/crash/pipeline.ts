// What crash tests execute: every kind of step, a chain, a failure and its handler, 10,000 numbered lines among which a secret
// is printed. What each task ends as and what its logs hold is known exactly.

import type { RunConfigTask, Step } from '../../src/pipeline/run-config.ts'
import type { NewRunRequest } from '../../src/runservice/api.ts'
import type { LogName } from '../../src/runservice/executor-api.ts'
import type { RunResult, TaskStatus } from '../../src/runservice/types.ts'

export const lineCount = 10_000
export const secret = 'a-secret-that-nobody-may-read'
export const cacheKey = 'crash-cache'

export const pipelineNames = ['everything', 'numbers'] as const
export type PipelineName = (typeof pipelineNames)[number]

/** Wide enough that the lines are more than one frame of a log. */
const padding = '.'.repeat(200)
const linesPerSecret = 500

/** A program that exists in the image is started now and then, so that printing takes a while without anybody sleeping. */
const printNumbers = `
echo begun >> ~/begun
echo "execution $(wc -l < ~/begun | tr -d ' ')"
i=0
while [ $i -lt ${lineCount} ]; do
  i=$((i + 1))
  printf 'line %05d %s\\n' $i "$PADDING"
  [ $((i % 100)) -ne 0 ] || /bin/true
  [ $((i % ${linesPerSecret})) -ne 0 ] || echo "the secret is $TOKEN."
done
`

/** What `printNumbers` leaves in the log: each line once, in order, masked. */
function numbersLog(): string {
  const lines = ['execution 1']
  for (let i = 1; i <= lineCount; i++) {
    lines.push(`line ${String(i).padStart(5, '0')} ${padding}`)
    if (i % linesPerSecret === 0) lines.push('the secret is ***.')
  }
  return `${lines.join('\n')}\n`
}

type ExpectedTask = {
  readonly status: TaskStatus
  /** Whole texts, or what they match: our own lines of a step that was repeated may differ. */
  readonly logs: ReadonlyMap<LogName, string | RegExp>
}

export type Pipeline = {
  readonly tasks: (idOf: (name: string) => string, image: string) => readonly RunConfigTask[]
  readonly result: RunResult
  readonly expected: (driverDescription: string) => Readonly<Record<string, ExpectedTask>>
}

const run = (name: string, command: string): Step => ({
  type: 'run',
  name,
  command,
  environment: {},
  workingDir: '',
  shell: '',
  tty: false,
})

type TaskShape = Pick<RunConfigTask, 'depends' | 'steps'>

function aTask(name: string, shape: TaskShape, { id, image }: { id: string; image: string }): RunConfigTask {
  return {
    id,
    name,
    level: 0,
    runtime: {
      type: 'pod',
      containers: [{ image, environment: {}, user: '', privileged: false, entrypoint: '', volumes: [] }],
    },
    environment: { TOKEN: { secret: 'token' }, PADDING: padding },
    workingDir: '~/project',
    shell: '/bin/sh -e',
    user: '',
    ignoreFailure: false,
    needsApproval: false,
    registryAuth: {},
    timeoutMs: 600_000,
    executorLabels: {},
    ...shape,
  }
}

const setupLog = (description: string) => ownLines(`Starting pod with ${literal(description)}`, 'Pod started')

const size = '[0-9.]+ [KMG]?i?B'

export const pipelines: Readonly<Record<PipelineName, Pipeline>> = {
  numbers: {
    tasks: (idOf, image) => [
      aTask('numbers', { depends: [], steps: [run('count', printNumbers)] }, { id: idOf('numbers'), image }),
    ],
    result: 'success',
    expected: (description) => ({
      numbers: {
        status: 'success',
        logs: new Map<LogName, string | RegExp>([
          ['setup', setupLog(description)],
          [0, numbersLog()],
        ]),
      },
    }),
  },
  everything: {
    tasks: (idOf, image) => [
      aTask(
        'build',
        {
          depends: [],
          steps: [
            { type: 'clone', name: '', recurseSubmodules: false },
            run('count', printNumbers),
            run('make', 'mkdir kept out; cp README.md kept/; echo built > out/result; echo "made with $TOKEN"'),
            {
              type: 'save_cache',
              name: '',
              key: cacheKey,
              contents: [{ sourceDir: 'kept', destDir: 'kept', paths: ['**'] }],
            },
            {
              type: 'save_to_workspace',
              name: '',
              contents: [{ sourceDir: 'out', destDir: 'out', paths: ['**'] }],
            },
          ],
        },
        { id: idOf('build'), image },
      ),
      aTask(
        'check',
        {
          depends: [{ taskId: idOf('build'), conditions: ['on_success'] }],
          steps: [
            { type: 'restore_workspace', name: '', destDir: '' },
            { type: 'restore_cache', name: '', keys: [cacheKey], destDir: '' },
            run('compare', 'cat out/result kept/README.md; ls'),
          ],
        },
        { id: idOf('check'), image },
      ),
      aTask(
        'broken',
        { depends: [], steps: [run('fail', 'echo "about to fail"; exit 7'), run('never', 'echo never')] },
        { id: idOf('broken'), image },
      ),
      aTask(
        'handler',
        {
          depends: [{ taskId: idOf('broken'), conditions: ['on_failure'] }],
          steps: [run('handle', 'echo handled')],
        },
        { id: idOf('handler'), image },
      ),
    ],
    result: 'failed',
    expected: (description) => ({
      build: {
        status: 'success',
        logs: new Map<LogName, string | RegExp>([
          ['setup', setupLog(description)],
          [0, ownLines('(?:Fetching \\S+ \\([0-9a-f]{12}\\)\n)?Checked out [0-9a-f]{40} into ~/project')],
          [1, numbersLog()],
          [2, 'made with ***\n'],
          [3, ownLines(`(?:Saved cache ${cacheKey}|Cache ${cacheKey} exists already)`)],
          [4, ownLines(`Saved ${size} to the workspace`)],
        ]),
      },
      check: {
        status: 'success',
        logs: new Map<LogName, string | RegExp>([
          ['setup', setupLog(description)],
          [0, ownLines(`Restored ${size} that task build saved`)],
          [1, ownLines(`Restored cache \\S*${cacheKey} \\(${size}\\)`)],
          [2, 'built\nreadme of the test\nkept\nout\n'],
        ]),
      },
      broken: {
        status: 'failed',
        logs: new Map<LogName, string | RegExp>([
          ['setup', setupLog(description)],
          [0, 'about to fail\n'],
          [1, ''],
        ]),
      },
      handler: {
        status: 'success',
        logs: new Map<LogName, string | RegExp>([
          ['setup', setupLog(description)],
          [0, 'handled\n'],
        ]),
      },
    }),
  },
}

/** Lines of our own, once; a part of them may stand before the line that says that the step was begun again. */
function ownLines(...lines: readonly string[]): RegExp {
  const all = lines.map((line) => `${line}\n`).join('')
  const partly = lines.map((_, count) =>
    lines
      .slice(0, count + 1)
      .map((line) => `${line}\n`)
      .join(''),
  )
  return new RegExp(`^(?:(?:${partly.join('|')})The executor was restarted; this begins again\n)*${all}$`)
}

function literal(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

export function requestOf(name: PipelineName, idPrefix: string, image: string): NewRunRequest {
  return {
    name,
    group: `/project/crash/branch/main`,
    tasks: pipelines[name].tasks((task) => `${idPrefix}-${task}`, image),
    secrets: { token: secret },
  }
}
