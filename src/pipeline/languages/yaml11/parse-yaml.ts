// Decodes the first document of a YAML 1.1 text to a positioned tree. The `yaml` package finds the structure; what scalars
// mean, merges, aliases and duplicates follow go-yaml v2, on which published configs rely. JSON is YAML here, with its own
// escapes (`\/`, surrogate pairs) understood.

import {
  Composer,
  type CST,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type ParsedNode,
  Parser,
  Scalar,
  type YAMLMap,
} from 'yaml'
import { limits } from '../../../lib/limits.ts'
import { formatGoFloat } from '../go-format/float.ts'
import { resolvePlain, type ScalarValue } from './scalar.ts'
import type { MappingEntry, MappingNode, Node, Position, ScalarNode, YamlDiagnostic, YamlError } from './tree.ts'

export type YamlResult =
  | { readonly ok: true; readonly root: Node; readonly diagnostics: readonly YamlDiagnostic[] }
  | { readonly ok: false; readonly error: YamlError }

/**
 * Decodes the first document of `text`; what follows it is not read. An empty text is null. Aliased nodes appear in the
 * tree as often as they are used, as the same object: at most `limits.yamlAliasExpansions` nodes more than are written.
 */
export function parseYaml(text: string): YamlResult {
  const lines = new LineCounter()
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(Math.min(offset, text.length))
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const control = controlCharacter.exec(text)
  try {
    const composer = new Composer({ schema: 'failsafe', version: '1.1', merge: false, uniqueKeys: false, strict: true })
    const document = composer.compose(nestingChecked(new Parser(lines.addNewLine).parse(text))).next().value
    if (control !== null && control.index < (document?.range[2] ?? text.length))
      throw new Refusal(control.index, 'control characters are not allowed')
    if (document === undefined) return { ok: true, root: nullAt({ line: 1, column: 1 }), diagnostics: [] }
    const [error] = document.errors
    if (error !== undefined) throw new Refusal(error.pos[0], firstLine(error.message))
    const decoder = new Decoder(positionAt)
    const root = document.contents === null ? nullAt({ line: 1, column: 1 }) : decoder.decode(document.contents)
    return { ok: true, root, diagnostics: decoder.diagnostics }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { ok: false, error: { ...positionAt(error.offset), message: error.message } }
  }
}

const controlCharacter = /[\x00-\x08\x0b\x0c\x0e-\x1f]/

/** How the decoder gives up; does not leave this file. */
class Refusal extends Error {
  readonly offset: number

  constructor(offset: number, message: string) {
    super(message)
    this.offset = offset
  }
}

const nullAt = (position: Position): ScalarNode => ({ ...position, kind: 'null', value: null, source: '' })

function firstLine(message: string): string {
  return message.split('\n', 1)[0]!
}

/** Composing recurses, so that a text of brackets alone would exhaust the stack. */
function* nestingChecked(tokens: Iterable<CST.Token>): Generator<CST.Token> {
  const levelsMax = limits.yamlNestingLevels.value
  for (const token of tokens) {
    const left: { token: CST.Token; level: number }[] = [{ token, level: 0 }]
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      if (next.level > levelsMax) throw new Refusal(next.token.offset, `nested deeper than ${levelsMax} levels`)
      const level = next.level + 1
      if ('items' in next.token) {
        for (const item of next.token.items) {
          if (item.key) left.push({ token: item.key, level })
          if (item.value) left.push({ token: item.value, level })
        }
      }
      if (next.token.type === 'document' && next.token.value) left.push({ token: next.token.value, level })
    }
    yield token
  }
}

/** `size` counts the node and all below it, each as often as it appears. */
type Anchor = { readonly isOpen: true } | { readonly isOpen: false; readonly node: Node; readonly size: number }

class Decoder {
  readonly diagnostics: YamlDiagnostic[] = []
  readonly #positionAt: (offset: number) => Position
  readonly #anchors = new Map<string, Anchor>()
  readonly #sizes = new WeakMap<Node, number>()
  #expansions = 0

  constructor(positionAt: (offset: number) => Position) {
    this.#positionAt = positionAt
  }

  decode(node: ParsedNode): Node {
    if (isAlias(node)) return this.#expand(node.source, node.range[0])
    const anchor = node.anchor
    if (anchor !== undefined) this.#anchors.set(anchor, { isOpen: true })
    const { decoded, size } = this.#content(node)
    this.#sizes.set(decoded, size)
    if (anchor !== undefined) this.#anchors.set(anchor, { isOpen: false, node: decoded, size })
    return decoded
  }

  #content(node: Exclude<ParsedNode, { type: 'ALIAS' }>): { decoded: Node; size: number } {
    const position = this.#positionAt(node.range[0])
    if (isScalar(node)) return { decoded: { ...position, ...this.#scalar(node) }, size: 1 }
    if (isSeq(node)) {
      const items = node.items.map((item) => this.decode(item as ParsedNode))
      return { decoded: { ...position, kind: 'sequence', items }, size: this.#sizeOf(items) }
    }
    if (isMap(node)) {
      const mapping = this.#mapping(node as YAMLMap.Parsed, position)
      return { decoded: mapping, size: this.#sizeOf(mapping.entries.map((entry) => entry.value)) }
    }
    throw new Refusal((node as ParsedNode).range[0], 'unexpected kind of node')
  }

  #sizeOf(children: readonly Node[]): number {
    return children.reduce((sum, child) => sum + (this.#sizes.get(child) ?? 1), 1)
  }

  #expand(name: string, offset: number): Node {
    const anchor = this.#anchors.get(name)
    if (anchor === undefined) throw new Refusal(offset, `unknown anchor '${name}' referenced`)
    if (anchor.isOpen) throw new Refusal(offset, `anchor '${name}' value contains itself`)
    this.#expansions += anchor.size
    if (this.#expansions > limits.yamlAliasExpansions.value)
      throw new Refusal(offset, 'document contains excessive aliasing')
    return anchor.node
  }

  #mapping(node: YAMLMap.Parsed, position: Position): MappingNode {
    const entries = new Map<string, MappingEntry>()
    const written = new Set<string>()
    for (const { key, value } of node.items) {
      if (isMergeKey(key)) {
        // Merged where it stands: it overwrites the keys before it, the keys after it overwrite what it brought.
        for (const entry of this.#merged(value, key.range[0])) entries.set(entry.key, entry)
        continue
      }
      const keyOffset = key?.range[0] ?? node.range[0]
      const keyPosition = this.#positionAt(keyOffset)
      const name = keyString(key === null ? nullAt(keyPosition) : this.decode(key), keyOffset)
      if (written.has(name))
        this.diagnostics.push({
          ...keyPosition,
          kind: 'duplicate_key',
          key: name,
          message: `key ${JSON.stringify(name)} is given twice; the last one wins`,
        })
      written.add(name)
      entries.set(name, { key: name, keyPosition, value: value === null ? nullAt(keyPosition) : this.decode(value) })
    }
    return { ...position, kind: 'mapping', entries: [...entries.values()] }
  }

  #merged(value: ParsedNode | null, keyOffset: number): readonly MappingEntry[] {
    const wrong = 'map merge requires map or sequence of maps as the value'
    if (value === null) throw new Refusal(keyOffset, wrong)
    const merged = this.decode(value)
    if (merged.kind === 'mapping') return merged.entries
    // An alias may stand for a map only, not for the list of maps.
    if (merged.kind !== 'sequence' || isAlias(value)) throw new Refusal(value.range[0], wrong)
    return merged.items.toReversed().flatMap((item) => {
      if (item.kind !== 'mapping') throw new Refusal(value.range[0], wrong)
      return item.entries
    })
  }

  #scalar(node: Scalar.Parsed): ScalarValue & { readonly source: string } {
    const source = String(node.value).toWellFormed()
    const isPlain = node.type === Scalar.PLAIN
    const tag = shortTag(node.tag)
    if (tag === undefined || tag === '') return { ...(isPlain ? resolvePlain(source) : text(source)), source }
    if (tag === '!!str' || !resolvedTags.has(tag)) return { ...text(source), source }
    if (tag === '!!binary') return { ...this.#binary(source, node.range[0]), source }
    const value = resolvePlain(source)
    if (tag === '!!float' && value.kind === 'int') return { kind: 'float', value: Number(value.value), source }
    if (tag === '!!timestamp' && value.kind === 'string' && isTimestamp(source)) return { ...value, source }
    const resolved = kindTags[value.kind]
    if (resolved !== tag) throw new Refusal(node.range[0], `cannot decode ${resolved} \`${source}\` as a ${tag}`)
    return { ...value, source }
  }

  #binary(source: string, offset: number): ScalarValue {
    const encoded = source.replace(/[\r\n]/g, '')
    if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(encoded))
      throw new Refusal(offset, '!!binary value contains invalid base64 data')
    return text(Buffer.from(encoded, 'base64').toString('utf8'))
  }
}

const text = (value: string): ScalarValue => ({ kind: 'string', value })

const kindTags = { string: '!!str', int: '!!int', float: '!!float', bool: '!!bool', null: '!!null' } as const
const resolvedTags: ReadonlySet<string> = new Set([...Object.values(kindTags), '!!binary', '!!timestamp'])

/** `tag:yaml.org,2002:int` as `!!int`; `!`, which says "not resolved", as `!!str`. */
function shortTag(tag: string | undefined): string | undefined {
  if (tag === '!') return '!!str'
  const prefix = 'tag:yaml.org,2002:'
  return tag?.startsWith(prefix) ? `!!${tag.slice(prefix.length)}` : tag
}

function isTimestamp(source: string): boolean {
  return /^\d{4}-\d{1,2}-\d{1,2}(?:(?:[Tt]|[ ]+)\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?)?$/.test(source)
}

function isMergeKey(key: ParsedNode | null): key is Scalar.Parsed {
  if (!isScalar(key) || key.value !== '<<') return false
  const tag = shortTag(key.tag)
  return tag === '!!merge' || (tag === undefined && key.type === Scalar.PLAIN)
}

function keyString(key: Node, offset: number): string {
  switch (key.kind) {
    case 'string':
      return key.value
    case 'int':
      if (key.value >= 1n << 63n) throw new Refusal(offset, `integer ${key.value} is too large for a key`)
      return String(key.value)
    case 'bool':
      return String(key.value)
    case 'float':
      if (Number.isNaN(key.value)) return '.nan'
      if (!Number.isFinite(key.value)) return key.value > 0 ? '.inf' : '-.inf'
      return formatGoFloat(key.value, 'g', 'shortest32')
    case 'null':
      throw new Refusal(offset, 'a key must not be null')
    case 'sequence':
      throw new Refusal(offset, 'invalid map key: a key must not be a list')
    case 'mapping':
      throw new Refusal(offset, 'invalid map key: a key must not be a map')
  }
}
