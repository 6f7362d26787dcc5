// After a run of all tests of the gateway: has everything that the contract says of an operation been seen, its success and each of
// its errors? What was not is told, and with SLIPWAY_STRICT_ANSWERS=1 the run has failed. What is known not to be seen is excused in
// unseen-answers.ts, but never a success.

import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Reporter, TestModule } from 'vitest/node'
import { successStatus } from '../../src/contract/route.ts'
import { errorsOfRoute } from '../../src/contract/route-errors.ts'
import { type RouteId, routes } from '../../src/contract/routes.ts'
import { seenAnswersVariable } from '../../src/gateway/seen-answers-fixture.ts'
import { unseenAnswers } from './unseen-answers.ts'

const root = resolve(import.meta.dirname, '../..')

export class AnswersReporter implements Reporter {
  #directory: string | undefined

  onInit(): void {
    this.#directory = mkdtempSync(join(tmpdir(), 'slipway-answers-'))
    process.env[seenAnswersVariable] = this.#directory
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const directory = this.#directory
    if (directory === undefined || !existsSync(directory)) return
    const seen = new Set(
      readdirSync(directory).flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n')),
    )
    rmSync(directory, { recursive: true })
    const ran = new Set(modules.filter((module) => module.ok()).map((module) => module.relativeModuleId))
    const hasAll = globSync('src/gateway/**/*.test.ts', { cwd: root }).every((file) => ran.has(file))
    const isSelection = modules.some((module) => [...module.children.allTests('skipped')].length > 0)
    if (!hasAll || isSelection) return
    const { unseen, struck } = compareAnswers(seen)
    for (const answer of unseen) console.log(`no test of the gateway has seen: ${answer}`)
    for (const answer of struck) console.log(`seen, and to be struck from test/support/unseen-answers.ts: ${answer}`)
    if (unseen.length > 0 && process.env.SLIPWAY_STRICT_ANSWERS === '1') process.exitCode = 1
  }
}

/** `unseen` should have been, `struck` need not be excused any more; both as `operation code`, or `operation status` of a success. */
export function compareAnswers(seen: ReadonlySet<string>): {
  readonly unseen: readonly string[]
  readonly struck: readonly string[]
} {
  const excused = (operation: RouteId, code: string) => unseenAnswers[code]?.includes(operation) ?? false
  const unseen: string[] = []
  const struck: string[] = []
  for (const id of Object.keys(routes) as RouteId[])
    for (const code of [String(successStatus(routes[id])), ...errorsOfRoute(routes[id])]) {
      const isSeen = seen.has(`${id} ${code}`)
      if (isSeen && excused(id, code)) struck.push(`${id} ${code}`)
      if (!isSeen && !excused(id, code)) unseen.push(`${id} ${code}`)
    }
  return { unseen, struck }
}
