// A decoded document: what JSON can say, with the position of every value and key, so that an error can name them.

/** Both start at 1; `column` counts UTF-16 units. */
export type Position = { readonly line: number; readonly column: number }

export type Node = ScalarNode | SequenceNode | MappingNode

/** `source` is the text as the document has it, folded but not resolved. */
export type ScalarNode = Position & { readonly source: string } & (
    | { readonly kind: 'string'; readonly value: string }
    | { readonly kind: 'int'; readonly value: bigint }
    | { readonly kind: 'float'; readonly value: number }
    | { readonly kind: 'bool'; readonly value: boolean }
    | { readonly kind: 'null'; readonly value: null }
  )

export type SequenceNode = Position & { readonly kind: 'sequence'; readonly items: readonly Node[] }

/** Keys are unique: duplicates and merges are resolved. Entries keep the order in which their keys came first. */
export type MappingNode = Position & { readonly kind: 'mapping'; readonly entries: readonly MappingEntry[] }

export type MappingEntry = {
  readonly key: string
  /** Where the key that won is written; for a merged entry that is in the anchored mapping. */
  readonly keyPosition: Position
  readonly value: Node
}

/** Something legal that may be a mistake; the caller decides whether it is an error. */
export type YamlDiagnostic = Position & {
  readonly kind: 'duplicate_key'
  readonly key: string
  readonly message: string
}

export type YamlError = Position & { readonly message: string }

/** The entry of exactly this key. */
export function findEntry(mapping: MappingNode, key: string): MappingEntry | undefined {
  return mapping.entries.find((entry) => entry.key === key)
}
