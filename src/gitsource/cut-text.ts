/** At most so many characters (Unicode code points, as providers count them); a longer text ends with `…`. */
export function cutText(text: string, charactersMax: number): string {
  const characters = Array.from(text.toWellFormed())
  return characters.length <= charactersMax
    ? text.toWellFormed()
    : `${characters.slice(0, charactersMax - 1).join('')}…`
}
