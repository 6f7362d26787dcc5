// Signs for states, told apart without colour.

export type Symbols = {
  readonly success: string
  readonly failed: string
  readonly stopped: string
  readonly skipped: string
  readonly running: string
  readonly waiting: string
  readonly approval: string
  readonly branch: string
  readonly lastBranch: string
  readonly trunk: string
}

const unicode: Symbols = {
  success: '✓',
  failed: '✗',
  stopped: '■',
  skipped: '–',
  running: '●',
  waiting: '○',
  approval: '?',
  branch: '├',
  lastBranch: '└',
  trunk: '│',
}

const ascii: Symbols = {
  success: '+',
  failed: 'x',
  stopped: '#',
  skipped: '-',
  running: '>',
  waiting: '.',
  approval: '?',
  branch: '|',
  lastBranch: '`',
  trunk: '|',
}

/** ASCII where the locale says that the terminal shows nothing else. */
export function symbolsFor(environment: Readonly<Record<string, string | undefined>>): Symbols {
  const locale = environment.LC_ALL || environment.LC_CTYPE || environment.LANG || ''
  return locale === '' || /utf-?8/i.test(locale) ? unicode : ascii
}
