// Evaluates a parsed template. What it may ask of the pod (files, environment, clock) comes in as functions, so that this
// stays pure; work and output are bounded, as the template is written by whoever wrote the config.

import { limits } from '../../../lib/limits.ts'
import { malformed, type Parsed, parsed } from '../parsed.ts'
import { callBuiltin, operandCounts } from './builtins.ts'
import { type BuiltinName, builtinNames, type FactName } from './function-names.ts'
import { type Command, type Operand, type Pipeline, printSyntax, type Statement, type Template } from './syntax.ts'
import { boolValue, intValue, isTrue, nil, printValue, stringValue, typeName, type Value } from './value.ts'

/** What a template can ask of the place it is evaluated for; each file and variable at most once in an evaluation. */
export type TemplateFunctions = {
  /** Lower case hex digest of a file, relative to the working directory. Malformed: it is missing, unreadable, too large. */
  readonly md5sum: (file: string) => Promise<Parsed<string>>
  readonly sha256sum: (file: string) => Promise<Parsed<string>>
  /** The value of an environment variable, empty if unset. */
  readonly env: (name: string) => Promise<string>
  /** Asked for at most once in an evaluation, and only if needed. */
  readonly constants: () => Promise<TemplateConstants>
}

export type TemplateConstants = {
  /** Go's names: `linux`, `amd64`. */
  readonly os: string
  readonly arch: string
  /** Nanoseconds since 1970. */
  readonly unixtime: bigint
  /** `2006`, `01`, `02`: zero padded, in the time zone of the container. */
  readonly year: string
  readonly month: string
  readonly day: string
}

/**
 * Evaluates a template to its text. Malformed: Go's messages, `template: key:LINE:COLUMN: executing "key" at <...>: ...`,
 * and what went over `limits.cacheKeyTemplateOutputBytes`, `limits.templateSteps` or `limits.templateQuestions`. What a function throws is passed on.
 */
export async function evaluateTemplate(template: Template, functions: TemplateFunctions): Promise<Parsed<string>> {
  const evaluation = new Evaluation(template, functions)
  try {
    return parsed(await evaluation.run())
  } catch (error) {
    if (!(error instanceof EvaluationRefusal)) throw error
    return malformed(error.message)
  }
}

/** How the evaluation gives up; does not leave this file. */
class EvaluationRefusal extends Error {}

type Outcome = 'done' | 'break' | 'continue'
type Variable = { readonly name: string; value: Value }

/** Where an expression stands: the value of the dot. */
type Scope = { readonly dot: Value }

class Evaluation {
  readonly #template: Template
  readonly #functions: TemplateFunctions
  readonly #output: string[] = []
  #outputBytes = 0
  #steps = 0
  #variables: Variable[] = [{ name: '$', value: { kind: 'data' } }]
  /** What is being evaluated, for messages. */
  #current: { readonly at: number; readonly text: () => string } = { at: 0, text: () => '' }
  #constants: Promise<TemplateConstants> | undefined
  readonly #answers = new Map<string, Parsed<string>>()

  constructor(template: Template, functions: TemplateFunctions) {
    this.#template = template
    this.#functions = functions
  }

  async run(): Promise<string> {
    await this.#statements(this.#template.nodes, { dot: { kind: 'data' } })
    return this.#output.join('')
  }

  async #statements(statements: readonly Statement[], scope: Scope): Promise<Outcome> {
    for (const statement of statements) {
      const outcome = await this.#statement(statement, scope)
      if (outcome !== 'done') return outcome
    }
    return 'done'
  }

  async #statement(statement: Statement, scope: Scope): Promise<Outcome> {
    this.#step()
    switch (statement.kind) {
      case 'text':
        this.#print(statement.text)
        return 'done'
      case 'action': {
        const value = await this.#pipeline(statement.pipeline, scope)
        if (statement.pipeline.variables.length === 0)
          this.#print(value.kind === 'nil' ? '<no value>' : printValue(value))
        return 'done'
      }
      case 'if':
      case 'with':
      case 'range':
        return this.#scoped(() => this.#control(statement, scope))
      case 'break':
      case 'continue':
        return statement.kind
    }
  }

  async #control(statement: Statement & { kind: 'if' | 'with' | 'range' }, scope: Scope): Promise<Outcome> {
    const value = await this.#pipeline(statement.pipeline, scope)
    if (statement.kind === 'range') return this.#range(statement, value, scope)
    if (isTrue(value)) return this.#statements(statement.body, statement.kind === 'with' ? { dot: value } : scope)
    return statement.otherwise === undefined ? 'done' : this.#statements(statement.otherwise, scope)
  }

  async #range(statement: Statement & { kind: 'if' | 'with' | 'range' }, value: Value, scope: Scope): Promise<Outcome> {
    const { pipeline, body, otherwise } = statement
    const isEmpty = value.kind === 'map' || value.kind === 'nil' || (value.kind === 'int' && value.value <= 0n)
    if (!isEmpty && value.kind !== 'int') this.#fail(`range can't iterate over ${printValue(value)}`)
    if (value.kind === 'int' && pipeline.variables.length > 1)
      this.#fail(`can't use ${value.value} to iterate over more than one variable`)
    if (isEmpty) return otherwise === undefined ? 'done' : this.#statements(otherwise, scope)
    for (let count = 0n; value.kind === 'int' && count < value.value; count++) {
      this.#step()
      const element: Value = { ...value, value: count }
      const [name] = pipeline.variables
      if (name !== undefined) this.#assign(name, element)
      const outcome = await this.#scoped(() => this.#statements(body, { dot: element }))
      if (outcome === 'break') break
    }
    return 'done'
  }

  async #scoped<T>(evaluate: () => Promise<T>): Promise<T> {
    const count = this.#variables.length
    const result = await evaluate()
    this.#variables.length = count
    return result
  }

  async #pipeline(pipeline: Pipeline, scope: Scope): Promise<Value> {
    this.#at(pipeline)
    let value: Value | undefined
    for (const command of pipeline.commands) value = await this.#command(command, value, scope)
    for (const name of pipeline.variables) {
      if (pipeline.isAssignment) this.#assign(name, value!)
      else this.#variables.push({ name, value: value! })
    }
    return value!
  }

  #assign(name: string, value: Value): void {
    this.#variable(name).value = value
  }

  /** The innermost variable of a name. The parser lets a variable's own declaration name it, before it is there. */
  #variable(name: string): Variable {
    return this.#variables.findLast((variable) => variable.name === name) ?? this.#fail(`undefined variable: ${name}`)
  }

  /** `piped` is what the command before it in the pipeline gave. */
  async #command(command: Command, piped: Value | undefined, scope: Scope): Promise<Value> {
    this.#step()
    const [first, ...operands] = command.operands
    if (first === undefined) return nil
    const hasOperands = operands.length > 0 || piped !== undefined
    if (first.kind === 'function') return this.#call(first, { command, operands, piped }, scope)
    if (first.kind === 'field' || first.kind === 'chain' || (first.kind === 'variable' && first.fields.length > 0))
      return this.#value(first, scope, hasOperands)
    if (first.kind !== 'pipeline') this.#at(first)
    if (first.kind === 'variable') this.#variable(first.name)
    if (hasOperands) this.#fail(`can't give argument to non-function ${printSyntax(first)}`)
    if (first.kind === 'nil') this.#fail('nil is not a command')
    return this.#value(first, scope)
  }

  async #value(operand: Operand, scope: Scope, hasOperands = false): Promise<Value> {
    if (operand.kind !== 'pipeline') this.#at(operand)
    switch (operand.kind) {
      case 'dot':
        return scope.dot
      case 'nil':
        return nil
      case 'bool':
        return boolValue(operand.value)
      case 'string':
        return stringValue(operand.value)
      case 'number':
        if (operand.value.kind === 'float') return { kind: 'float', value: operand.value.value }
        if (operand.value.value >= 1n << 63n) this.#fail(`${operand.text} overflows int`)
        return intValue(operand.value.value)
      case 'field':
        return this.#fields(scope.dot, operand.fields, hasOperands)
      case 'variable': {
        return this.#fields(this.#variable(operand.name).value, operand.fields, hasOperands)
      }
      case 'function': {
        const command: Command = { kind: 'command', at: operand.at, operands: [operand] }
        return this.#call(operand, { command, operands: [], piped: undefined }, scope)
      }
      case 'chain': {
        if (operand.operand.kind === 'nil') this.#fail(`indirection through explicit nil in ${printSyntax(operand)}`)
        const value = await this.#value(operand.operand, scope)
        return this.#fields(value, operand.fields, hasOperands)
      }
      case 'pipeline':
        return this.#pipeline(operand, scope)
    }
  }

  #fields(value: Value, fields: readonly string[], hasOperands: boolean): Value {
    return fields.reduce<Value>((receiver, field, index) => {
      const isCalled = hasOperands && index === fields.length - 1
      if (receiver.kind === 'nil') return nil
      if (receiver.kind === 'data' && field === 'Environment') {
        if (isCalled) this.#fail(`${field} has arguments but cannot be invoked as function`)
        return { kind: 'map' }
      }
      if (receiver.kind === 'map') {
        if (isCalled) this.#fail(`${field} is not a method but has arguments`)
        return nil
      }
      return this.#fail(`can't evaluate field ${field} in type ${typeName(receiver)}`)
    }, value)
  }

  async #call(called: Operand & { kind: 'function' }, use: Use, scope: Scope): Promise<Value> {
    const { name } = called
    this.#at(called)
    const count = use.operands.length + (use.piped === undefined ? 0 : 1)
    if (isBuiltin(name)) {
      const { least, most } = operandCounts[name]
      if (most === undefined && count < least)
        this.#fail(`wrong number of args for ${name}: want at least ${name === 'eq' ? 1 : least} got ${count}`)
      if (most !== undefined && count !== least)
        this.#fail(`wrong number of args for ${name}: want ${least} got ${count}`)
      if (name === 'and' || name === 'or') return this.#firstThat(name, use, scope)
    } else {
      const wanted = name === 'env' || name === 'md5sum' || name === 'sha256sum' ? 1 : 0
      if (count !== wanted) this.#fail(`wrong number of args for ${name}: want ${wanted} got ${count}`)
    }
    const operands = await this.#operands(called, use, scope)
    const result = isBuiltin(name) ? this.#builtin(name, operands, use) : await this.#fact(name as FactName, operands)
    if (!result.ok) {
      this.#at(use.command)
      this.#fail(`error calling ${name}: ${result.message}`)
    }
    if (result.value.kind === 'string' && result.value.value.length > limits.cacheKeyTemplateOutputBytes.value)
      this.#failTooLong()
    return result.value
  }

  #builtin(name: BuiltinName, operands: readonly Value[], use: Use): Parsed<Value> {
    if (name !== 'call' && name !== 'and' && name !== 'or')
      return callBuiltin(name, operands, limits.cacheKeyTemplateOutputBytes.value)
    const [called = nil] = operands
    // No value of a template is a function.
    return malformed(
      called.kind === 'nil'
        ? 'call of nil'
        : `non-function ${use.operands[0] === undefined ? printValue(called) : printSyntax(use.operands[0])} of type ${typeName(called)}`,
    )
  }

  async #operands(called: Operand & { kind: 'function' }, use: Use, scope: Scope): Promise<Value[]> {
    const isString = (index: number) => index === 0 && ['env', 'md5sum', 'sha256sum', 'printf'].includes(called.name)
    const values: Value[] = []
    for (const [index, operand] of use.operands.entries()) {
      this.#at(operand)
      if (isString(index) && operand.kind === 'nil') this.#fail('cannot assign nil to string')
      if (isString(index) && (operand.kind === 'bool' || operand.kind === 'number'))
        this.#fail(`expected string; found ${printSyntax(operand)}`)
      const value = await this.#value(operand, scope)
      if (isString(index)) {
        if (operand.kind !== 'pipeline') this.#at(operand)
        this.#expectString(value)
      }
      values.push(value)
    }
    if (use.piped !== undefined) {
      if (isString(values.length)) this.#expectString(use.piped)
      values.push(use.piped)
    }
    return values
  }

  #expectString(value: Value): void {
    if (value.kind === 'nil') this.#fail('invalid value; expected string')
    if (value.kind !== 'string') this.#fail(`wrong type for value; expected string; got ${typeName(value)}`)
  }

  /** `and` gives the first operand that is false, `or` the first that is true, else the last; later ones are not evaluated. */
  async #firstThat(name: 'and' | 'or', use: Use, scope: Scope): Promise<Value> {
    let value: Value = nil
    for (const operand of use.operands) {
      value = await this.#value(operand, scope)
      if (isTrue(value) === (name === 'or')) return value
    }
    return use.piped ?? value
  }

  async #fact(name: FactName, [operand]: readonly Value[]): Promise<Parsed<Value>> {
    const text = operand === undefined ? '' : printValue(operand)
    switch (name) {
      case 'md5sum':
      case 'sha256sum': {
        const digest = text === '' ? malformed('empty filename') : await this.#asked(name, text)
        return digest.ok ? parsed(stringValue(digest.value)) : digest
      }
      case 'env': {
        const value = await this.#asked(name, text)
        return value.ok ? parsed(stringValue(value.value)) : value
      }
      case 'unixtime':
        return parsed(intValue((await this.#facts()).unixtime))
      default:
        return parsed(stringValue((await this.#facts())[name]))
    }
  }

  /** Each file and variable is asked for once, as each may cost a round trip. */
  async #asked(name: 'md5sum' | 'sha256sum' | 'env', argument: string): Promise<Parsed<string>> {
    const question = `${name} ${argument}`
    const known = this.#answers.get(question)
    if (known !== undefined) return known
    const most = limits.templateQuestions.value
    if (this.#answers.size >= most)
      throw new EvaluationRefusal(`template: key: asks for more than ${most} files and variables`)
    const answer = name === 'env' ? parsed(await this.#functions.env(argument)) : await this.#functions[name](argument)
    this.#answers.set(question, answer)
    return answer
  }

  #facts(): Promise<TemplateConstants> {
    this.#constants ??= this.#functions.constants()
    return this.#constants
  }

  #print(text: string): void {
    this.#outputBytes += Buffer.byteLength(text)
    if (this.#outputBytes > limits.cacheKeyTemplateOutputBytes.value) this.#failTooLong()
    this.#output.push(text)
  }

  #step(): void {
    if (++this.#steps > limits.templateSteps.value)
      throw new EvaluationRefusal(`template: key: more than ${limits.templateSteps.value} steps`)
  }

  #failTooLong(): never {
    throw new EvaluationRefusal(
      `template: key: output is longer than ${limits.cacheKeyTemplateOutputBytes.value} bytes`,
    )
  }

  #at(node: Operand | Command): void {
    this.#current = { at: node.at, text: () => printSyntax(node) }
  }

  #fail(message: string): never {
    const before = this.#template.text.slice(0, this.#current.at)
    const lineStart = before.lastIndexOf('\n') + 1
    const line = before.split('\n').length
    const column = Buffer.byteLength(before.slice(lineStart))
    throw new EvaluationRefusal(
      `template: key:${line}:${column}: executing "key" at <${this.#current.text()}>: ${message}`,
    )
  }
}

/** How a function is used: its command, its operands, and what is piped into it as the last one. */
type Use = { readonly command: Command; readonly operands: readonly Operand[]; readonly piped: Value | undefined }

function isBuiltin(name: string): name is BuiltinName {
  return (builtinNames as readonly string[]).includes(name)
}
