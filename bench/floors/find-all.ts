// Floor of masking: read every byte once and look for one secret, by the runtime's own search.

/** How often `secret` stands in `chunks`, apart from where it is cut. */
export function countIn(chunks: readonly Buffer[], secret: Buffer): number {
  let count = 0
  for (const chunk of chunks)
    for (let at = chunk.indexOf(secret); at !== -1; at = chunk.indexOf(secret, at + secret.length)) count++
  return count
}
