// Lines that an address names: `#L12` or `#L12-L20`, counted from 1.

export type LineRange = { readonly first: number; readonly last: number }

/** Of the part of an address behind `#`. */
export function parseRange(text: string | undefined): LineRange | undefined {
  const found = /^#?L(\d{1,9})(?:-L?(\d{1,9}))?$/.exec(text ?? '')
  if (found === null) return undefined
  const [a, b] = [Number(found[1]), Number(found[2] ?? found[1])]
  return a < 1 || b < 1 ? undefined : { first: Math.min(a, b), last: Math.max(a, b) }
}

export function rangeText({ first, last }: LineRange): string {
  return first === last ? `L${first}` : `L${first}-L${last}`
}
