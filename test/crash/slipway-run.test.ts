// The real command, killed by SIGKILL while a step runs: the next one in that repository cleans up after it, and two at once
// leave each other alone.

import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type TestRepository, temporaryDirectory, testRepository } from '../support/git-repository.ts'
import { containersOf, processesLeft, uidClaimsOf } from './leftovers.ts'
import { findTestImage } from './test-image.ts'

const command = resolve(import.meta.dirname, '../../bin/slipway')
const lineCount = 2_000

const definition = (image: string, marker: string) => `
runs:
  - name: test
    tasks:
      - name: endless
        runtime: { containers: [{ image: '${image}' }] }
        environment: { MARKER: ${marker} }
        steps:
          - run: |
              echo endless has begun
              while :; do sleep 1; done
      - name: numbers
        runtime: { containers: [{ image: '${image}' }] }
        environment: { MARKER: ${marker} }
        steps:
          - clone:
          - run: |
              i=0
              while [ $i -lt ${lineCount} ]; do
                i=$((i + 1))
                echo "number $i."
                [ $((i % 20)) -ne 0 ] || /bin/true
              done
`

/** A repository, and a place for state; everything that is started in it has the marker in its environment. */
class Checkout implements Disposable {
  readonly marker = `crash-${randomBytes(4).toString('hex')}`
  readonly #state = temporaryDirectory('state')
  readonly #repository: TestRepository

  constructor(image: string) {
    this.#repository = testRepository({ '.slipway/config.yml': definition(image, this.marker) })
    this.#repository.commit('first')
  }

  get statePath(): string {
    return this.#state.path
  }

  /** Ids of all invocations, which own their pods. */
  get invocations(): readonly string[] {
    const root = join(this.statePath, 'slipway')
    return readdirSync(root).flatMap((repository) =>
      readdirSync(join(root, repository)).filter((name) => name !== 'shared'),
    )
  }

  run(driver: string, task: string): RunningCommand {
    const child = spawn(command, ['run', '--driver', driver, '--task', task, '--output', 'plain'], {
      cwd: this.#repository.dir,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, XDG_STATE_HOME: this.statePath, HOME: this.statePath },
    })
    return new RunningCommand(child)
  }

  [Symbol.dispose](): void {
    this.#repository[Symbol.dispose]()
    this.#state[Symbol.dispose]()
  }
}

class RunningCommand implements Disposable {
  readonly ended: Promise<number | undefined>
  output = ''
  readonly #child: ChildProcess
  #changed = Promise.withResolvers<void>()

  constructor(child: ChildProcess) {
    this.#child = child
    const add = (chunk: Buffer) => {
      this.output += chunk
      this.#wake()
    }
    child.stdout?.on('data', add)
    child.stderr?.on('data', add)
    this.ended = new Promise((done) => {
      child.once('close', (code) => {
        done(code ?? undefined)
        this.#wake()
      })
    })
  }

  async prints(text: string): Promise<void> {
    while (!this.output.includes(text)) {
      if (this.#child.exitCode !== null) throw new Error(`it ended without printing "${text}": ${this.output}`)
      await this.#changed.promise
    }
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  [Symbol.dispose](): void {
    this.kill()
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}

const numbers = Array.from({ length: lineCount }, (_, index) => index + 1)

/** The numbers that were printed, in the order they came. */
function numbersIn(output: string): readonly number[] {
  return [...output.matchAll(/number (\d+)\./g)].map((match) => Number(match[1]))
}

describe.each(['host', 'docker'] as const)('with the %s driver', (driver) => {
  const imageOf = async () => (driver === 'docker' ? await findTestImage() : 'any')
  const leftBy = async (checkout: Checkout, invocation: string) => [
    ...(driver === 'docker' ? containersOf(invocation) : podsIn(checkout, invocation)),
    ...uidClaimsOf(checkout.statePath),
  ]

  test('what a killed `slipway run` left is gone after the next one, and nothing of it runs', async () => {
    using checkout = new Checkout(await imageOf())
    using killed = checkout.run(driver, 'endless')
    await killed.prints('endless has begun')
    killed.kill()
    await killed.ended
    const [invocation] = checkout.invocations
    expect(await leftBy(checkout, invocation!)).not.toEqual([])

    using next = checkout.run(driver, 'numbers')
    expect(await next.ended, next.output).toBe(0)
    expect(numbersIn(next.output)).toEqual(numbers)
    expect(checkout.invocations).toHaveLength(2)
    for (const each of checkout.invocations) expect(await leftBy(checkout, each)).toEqual([])
    expect(await processesLeft([checkout.statePath, checkout.marker])).toEqual([])
  })

  test('two at once do not disturb each other, nor one that is executing a step', async () => {
    using checkout = new Checkout(await imageOf())
    using endless = checkout.run(driver, 'endless')
    await endless.prints('endless has begun')
    const [invocation] = checkout.invocations
    using first = checkout.run(driver, 'numbers')
    using second = checkout.run(driver, 'numbers')
    expect(await Promise.all([first.ended, second.ended]), `${first.output}\n${second.output}`).toEqual([0, 0])
    for (const { output } of [first, second]) expect(numbersIn(output)).toEqual(numbers)
    expect(await leftBy(checkout, invocation!)).not.toEqual([])

    endless.kill()
    await endless.ended
    using last = checkout.run(driver, 'numbers')
    expect(await last.ended, last.output).toBe(0)
    for (const each of checkout.invocations) expect(await leftBy(checkout, each)).toEqual([])
    expect(await processesLeft([checkout.statePath, checkout.marker])).toEqual([])
  })
})

/** Directories of pods of the host driver, those included that are not deleted yet. */
function podsIn(checkout: Checkout, invocation: string): readonly string[] {
  const state = join(checkout.statePath, 'slipway')
  return readdirSync(state, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.includes(invocation) && /\/pods\/[^/]+\/[^/]+$|\/pods-removed\/[^/]+$/.test(path))
    .map((path) => `pod directory: ${path}`)
}
