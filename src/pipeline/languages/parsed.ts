// What the parsers of the small languages return: a malformed text is an outcome that callers expect, not an exception.

export type Parsed<T> = { readonly ok: true; readonly value: T } | Malformed

/** `message` says what is wrong with the text, in the words of the Go original where it has any. */
export type Malformed = { readonly ok: false; readonly message: string }

export function parsed<T>(value: T): Parsed<T> {
  return { ok: true, value }
}

export function malformed(message: string): Malformed {
  return { ok: false, message }
}
