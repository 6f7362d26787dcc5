// What one most likely means by some letters.

export type Ranked = { readonly text: string }

/** Those whose text has every word that was typed; the nearer to a beginning and the shorter, the earlier. */
export function rankChoices<T extends Ranked>(choices: readonly T[], typed: string): readonly T[] {
  const words = typed
    .toLowerCase()
    .replaceAll('#', '')
    .split(/\s+/)
    .filter((word) => word !== '')
  if (words.length === 0) return choices
  return choices
    .map((choice) => ({ choice, score: scoreOf(choice.text.toLowerCase(), words) }))
    .filter(({ score }) => score !== undefined)
    .sort((a, b) => a.score! - b.score! || a.choice.text.length - b.choice.text.length)
    .map(({ choice }) => choice)
}

/** Lower is better; undefined when a word is missing. */
function scoreOf(text: string, words: readonly string[]): number | undefined {
  let score = 0
  for (const word of words) {
    const at = text.indexOf(word)
    if (at === -1) return undefined
    const isBeginning = new RegExp(`(?:^|[/\\s])${word.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}`).test(text)
    score += isBeginning ? 0 : 1
  }
  return score
}
