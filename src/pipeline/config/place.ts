// Where something stands in a definition: as keys and indexes from its top, and as line and column.

import type { Position } from '../languages/yaml11/tree.ts'

/** Keys and indexes from the top of the document. */
export type Path = readonly (string | number)[]

export type Place = { readonly path: Path; readonly position: Position }

/** The path as people read it, `runs[0].tasks[2].steps[1].run.command`; keys that are not plain words are quoted. */
export function formatPath(path: Path): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[A-Za-z_][\w-]*$/.test(part)) text += text === '' ? part : `.${part}`
    else text += `[${JSON.stringify(part)}]`
  }
  return text
}
