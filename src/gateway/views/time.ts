// Times inside are milliseconds since 1970, outside RFC 3339.

export function timeText(ms: number): string {
  return new Date(ms).toISOString()
}

/** A member that is there only when the time is. */
export function optionalTime<Name extends string>(
  name: Name,
  ms: number | undefined,
): { readonly [N in Name]?: string } {
  return ms === undefined ? {} : ({ [name]: timeText(ms) } as { readonly [N in Name]: string })
}
