// What a template will probably ask of the pod, found without evaluating it, so that it can be fetched in one round trip.

import type { Operand, Pipeline, Statement, Template } from './syntax.ts'

export type NeededFacts = {
  /** Files whose names are literal, also in branches that may not be taken: a missing one is no error by itself. */
  readonly md5sumFiles: readonly string[]
  readonly sha256sumFiles: readonly string[]
  readonly environmentNames: readonly string[]
  /** One of `os`, `arch`, `unixtime`, `year`, `month`, `day` is used. */
  readonly hasConstants: boolean
  /** Some file or variable is named by an expression: it is known only when the template is evaluated. */
  readonly hasDynamic: boolean
}

/** The facts a template names; each file and variable once, in the order of the template. */
export function neededFacts(template: Template): NeededFacts {
  const named = { md5sum: new Set<string>(), sha256sum: new Set<string>(), env: new Set<string>() }
  let hasConstants = false
  let hasDynamic = false
  for (const pipeline of pipelinesOf(template.nodes)) {
    for (const [index, command] of pipeline.commands.entries()) {
      const [first, second] = command.operands
      for (const [position, operand] of command.operands.entries()) {
        if (operand.kind !== 'function') continue
        const { name } = operand
        if (['os', 'arch', 'unixtime', 'year', 'month', 'day'].includes(name)) hasConstants = true
        if (name !== 'md5sum' && name !== 'sha256sum' && name !== 'env') continue
        const before = pipeline.commands[index - 1]?.operands
        const piped = before?.length === 1 ? before[0] : undefined
        const argument = position > 0 ? undefined : first === operand && second !== undefined ? second : piped
        if (argument?.kind !== 'string') hasDynamic = true
        // A file without a name is refused without asking.
        else if (argument.value !== '' || name === 'env') named[name].add(argument.value)
      }
    }
  }
  return {
    md5sumFiles: [...named.md5sum],
    sha256sumFiles: [...named.sha256sum],
    environmentNames: [...named.env],
    hasConstants,
    hasDynamic,
  }
}

function* pipelinesOf(statements: readonly Statement[]): Generator<Pipeline> {
  for (const statement of statements) {
    if ('pipeline' in statement) yield* withInner(statement.pipeline)
    if ('body' in statement) {
      yield* pipelinesOf(statement.body)
      yield* pipelinesOf(statement.otherwise ?? [])
    }
  }
}

function* withInner(pipeline: Pipeline): Generator<Pipeline> {
  yield pipeline
  for (const command of pipeline.commands) for (const operand of command.operands) yield* inside(operand)
}

function* inside(operand: Operand): Generator<Pipeline> {
  if (operand.kind === 'pipeline') yield* withInner(operand)
  if (operand.kind === 'chain') yield* inside(operand.operand)
}
