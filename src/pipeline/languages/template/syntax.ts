// The tree of a parsed template.

export type Template = {
  readonly text: string
  readonly nodes: readonly Statement[]
}

/** `at` is the offset in the template's text. */
export type Statement =
  | { readonly kind: 'text'; readonly at: number; readonly text: string }
  | { readonly kind: 'action'; readonly at: number; readonly pipeline: Pipeline }
  | {
      readonly kind: 'if' | 'with' | 'range'
      readonly at: number
      readonly pipeline: Pipeline
      readonly body: readonly Statement[]
      readonly otherwise: readonly Statement[] | undefined
    }
  | { readonly kind: 'break' | 'continue'; readonly at: number }

export type Pipeline = {
  readonly kind: 'pipeline'
  readonly at: number
  /** Names with their `$`. */
  readonly variables: readonly string[]
  /** `=` rather than `:=`. */
  readonly isAssignment: boolean
  readonly commands: readonly Command[]
}

export type Command = { readonly kind: 'command'; readonly at: number; readonly operands: readonly Operand[] }

export type Operand =
  | { readonly kind: 'dot' | 'nil'; readonly at: number }
  | { readonly kind: 'field'; readonly at: number; readonly fields: readonly string[] }
  | { readonly kind: 'variable'; readonly at: number; readonly name: string; readonly fields: readonly string[] }
  | { readonly kind: 'function'; readonly at: number; readonly name: string }
  | { readonly kind: 'bool'; readonly at: number; readonly value: boolean }
  | { readonly kind: 'number'; readonly at: number; readonly text: string; readonly value: NumberValue }
  | { readonly kind: 'string'; readonly at: number; readonly quoted: string; readonly value: string }
  | { readonly kind: 'chain'; readonly at: number; readonly operand: Operand; readonly fields: readonly string[] }
  | Pipeline

/** An integer may be beyond 64 bits signed; using it then is an error. */
export type NumberValue =
  | { readonly kind: 'int'; readonly value: bigint }
  | { readonly kind: 'float'; readonly value: number }

/** As Go prints a part of a template in messages. */
export function printSyntax(node: Operand | Command): string {
  switch (node.kind) {
    case 'dot':
      return '.'
    case 'nil':
      return 'nil'
    case 'field':
      return node.fields.map((field) => `.${field}`).join('')
    case 'variable':
      return [node.name, ...node.fields].join('.')
    case 'function':
      return node.name
    case 'bool':
      return String(node.value)
    case 'number':
      return node.text
    case 'string':
      return node.quoted
    case 'chain': {
      const operand = printSyntax(node.operand)
      return `${node.operand.kind === 'pipeline' ? `(${operand})` : operand}.${node.fields.join('.')}`
    }
    case 'command':
      return node.operands
        .map((operand) => (operand.kind === 'pipeline' ? `(${printSyntax(operand)})` : printSyntax(operand)))
        .join(' ')
    case 'pipeline': {
      const variables = node.variables.join(', ')
      const commands = node.commands.map(printSyntax).join(' | ')
      return variables === '' ? commands : `${variables} ${node.isAssignment ? '=' : ':='} ${commands}`
    }
  }
}
