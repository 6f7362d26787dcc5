// After a run of all tests of the gateway: has everything that the contract says of an operation been seen, its success and each of
// its errors? What was not is told, and where it is strict the run has failed. So a new operation comes with its cases, and what
// cannot be is taken out of the contract (`never` of a route).

import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Reporter, TestModule } from 'vitest/node'
import { successStatus } from '../../src/contract/route.ts'
import { errorsOfAll, errorsOfRoute } from '../../src/contract/route-errors.ts'
import { type RouteId, routes } from '../../src/contract/routes.ts'
import { seenAnswersVariable } from '../../src/gateway/seen-answers-fixture.ts'

const root = resolve(import.meta.dirname, '../..')

export type AnswersReporterOptions = {
  readonly isStrict: boolean
  /** Where the tests are that see answers; a run without one of them says nothing. */
  readonly files?: string
}

export class AnswersReporter implements Reporter {
  readonly #options: AnswersReporterOptions
  #directory: string | undefined

  constructor(options: AnswersReporterOptions) {
    this.#options = options
  }

  onInit(): void {
    const directory = mkdtempSync(join(tmpdir(), 'slipway-answers-'))
    process.env[seenAnswersVariable] = directory
    // Not before: whoever watches runs tests again.
    process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
    this.#directory = directory
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const { isStrict, files = 'src/gateway/**/*.test.ts' } = this.#options
    const directory = this.#directory
    if (directory === undefined) return
    const written = readdirSync(directory).map((name) => join(directory, name))
    const seen = new Set(written.flatMap((file) => readFileSync(file, 'utf8').split('\n')))
    for (const file of written) rmSync(file)
    const whole = new Set(modules.filter(isWhole).map((module) => module.relativeModuleId))
    if (!globSync(files, { cwd: root }).every((file) => whole.has(file))) return
    const unseen = unseenAnswers(seen)
    for (const answer of unseen) console.log(`no test of the gateway has seen: ${answer}`)
    for (const answer of undeclaredAnswers(seen)) console.log(`answered, and the contract does not say so: ${answer}`)
    if (unseen.length > 0 && isStrict) process.exitCode = 1
  }
}

/** All of its tests ran, and well. */
function isWhole(module: TestModule): boolean {
  return module.ok() && [...module.children.allTests('skipped')].length === 0
}

/** As `operation code`, or `operation status` of a success. */
export function unseenAnswers(seen: ReadonlySet<string>): readonly string[] {
  return (Object.keys(routes) as RouteId[])
    .flatMap((id) =>
      [String(successStatus(routes[id])), ...errorsOfRoute(routes[id])].map((answer) => `${id} ${answer}`),
    )
    .filter((answer) => !seen.has(answer))
}

/** The same for what was answered and need not have been known before; trouble of the server itself may come anywhere. */
export function undeclaredAnswers(seen: ReadonlySet<string>): readonly string[] {
  const anywhere: readonly string[] = [...errorsOfAll, 'internal']
  return [...seen].filter((answer) => {
    const [id = '', code = ''] = answer.split(' ')
    const declared: readonly string[] = id in routes ? errorsOfRoute(routes[id as RouteId]) : []
    return /^[a-z]/.test(code) && !declared.includes(code) && !anywhere.includes(code)
  })
}
