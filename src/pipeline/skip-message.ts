// Commit messages that ask for no runs.

// More spellings than the reference's one, `[ci skip]` in lower case: those people know from elsewhere mean the same.
const marker = /\[(?:ci skip|skip ci|no ci)\]/i

/** The marker in subject or body of `message` that asks for no runs, as written; undefined when there is none. */
export function findSkipMarker(message: string): string | undefined {
  return marker.exec(message)?.[0]
}
