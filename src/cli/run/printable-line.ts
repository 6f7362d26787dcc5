// What a terminal would show of one line of a log. A step prints whatever it likes: progress redrawn with carriage returns,
// colours, cursor moves, even sequences that set the clipboard. None of that may reach the terminal of whoever looks at the log.

const escapeCharacter = '\u001b'
/** CSI; OSC, DCS and the other strings to their end; two and three byte sequences. */
const escapeSequence = new RegExp(
  `${escapeCharacter}(?:\\[[0-?]*[ -/]*[@-~]|[\\]PX^_][^${escapeCharacter}\u0007]*(?:\u0007|${escapeCharacter}\\\\|$)|[ -/]*[0-~]|$)`,
  'g',
)
const colourSequence = new RegExp(`^${escapeCharacter}\\[[0-9;:]*m$`)
const control = /\p{Cc}/u
const controlsButTab = /(?!\t)\p{Cc}/gu

/**
 * The line without control characters other than tabs; of a progress line that was redrawn, its last state. Colours stay
 * when `colours`, closed at the end of the line.
 */
export function printableLine(line: string, { colours }: { readonly colours: boolean }): string {
  if (!control.test(line)) return line
  let hasColours = false
  const visible = lastState(line)
    .split(escapeSequence)
    .map((text) => text.replaceAll(controlsButTab, ''))
  if (!colours) return visible.join('')
  const sequences = (lastState(line).match(escapeSequence) ?? []).map((sequence) => {
    if (!colourSequence.test(sequence)) return ''
    hasColours = true
    return sequence
  })
  const painted = visible.map((text, index) => `${text}${sequences[index] ?? ''}`).join('')
  return hasColours ? `${painted}${escapeCharacter}[0m` : painted
}

/** What stands after the last carriage return that anything visible follows. */
function lastState(line: string): string {
  if (!line.includes('\r')) return line
  const states = line.split('\r')
  return states.findLast((state) => state.replaceAll(escapeSequence, '') !== '') ?? ''
}
