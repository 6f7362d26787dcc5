import type { CSSProperties, ReactNode } from 'react'

/**
 * A table that scrolls in its own frame; on a phone each row is folded into lines, one for each cell, beside its head. A head without
 * words is that of the actions. `label` is read out.
 */
export function Table({
  label,
  heads,
  numbers = [],
  children,
}: {
  readonly label: string
  readonly heads: readonly string[]
  /** The heads above numbers. */
  readonly numbers?: readonly string[]
  readonly children: ReactNode
}) {
  return (
    <div className="table-scroll" tabIndex={0} role="group" aria-label={label}>
      <table className="table" style={headsAsStyle(heads)}>
        <thead>
          <tr>
            {heads.map((head) => (
              <th key={head} {...(numbers.includes(head) ? { className: 'number' } : {})}>
                {head === '' ? <span className="visually-hidden">Actions</span> : head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  )
}

/** What stands before the cells of folded rows: styles know which column a cell is in, the cells themselves do not. */
function headsAsStyle(heads: readonly string[]): CSSProperties {
  return Object.fromEntries(
    heads.flatMap((head, at) => (head === '' ? [] : [[`--head-${at + 1}`, JSON.stringify(head)]])),
  )
}
