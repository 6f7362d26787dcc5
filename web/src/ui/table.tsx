import type { ReactNode } from 'react'

/** A table that scrolls in its own frame. A head without words is that of the actions. */
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
      <table className="table">
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
