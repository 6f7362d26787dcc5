// Names as the server takes them, told before it is asked.

const charactersMax = 40

/** What is wrong with a name; undefined when nothing is. Nothing is said of an empty one before it was typed. */
export function nameProblem(name: string): string | undefined {
  if (name === '') return undefined
  if (name.length > charactersMax) return `At most ${charactersMax} characters.`
  if (!/^[A-Za-z0-9-]+$/.test(name)) return 'Only letters, digits and hyphens.'
  if (/^-|-$|--/.test(name)) return 'Hyphens stand alone and between others.'
  return undefined
}
