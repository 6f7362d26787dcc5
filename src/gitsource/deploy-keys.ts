// Public keys as providers give them back: without the comment, or with one of their own.

/** Whether both are the same key in OpenSSH's form, whatever the comments. */
export function isSameKey(a: string, b: string): boolean {
  return keyOf(a) === keyOf(b)
}

function keyOf(text: string): string {
  return text.trim().split(/\s+/).slice(0, 2).join(' ')
}
