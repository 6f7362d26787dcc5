// Colours, or none: NO_COLOR (no-color.org), a terminal that cannot, or a pipe switch them off.

import { styleText } from 'node:util'

export type Paint = {
  readonly hasColours: boolean
  readonly dim: (text: string) => string
  readonly bold: (text: string) => string
  readonly red: (text: string) => string
  readonly green: (text: string) => string
  readonly yellow: (text: string) => string
  readonly cyan: (text: string) => string
  /** In the colour of a result or status. */
  readonly result: (result: string, text: string) => string
}

export type PaintEnvironment = Readonly<Record<string, string | undefined>>

export function paintFor(isTerminal: boolean, environment: PaintEnvironment): Paint {
  const noColor = environment.NO_COLOR !== undefined && environment.NO_COLOR !== ''
  const forced =
    environment.FORCE_COLOR !== undefined && environment.FORCE_COLOR !== '0' && environment.FORCE_COLOR !== ''
  return makePaint(!noColor && (forced || (isTerminal && environment.TERM !== 'dumb')))
}

function makePaint(hasColours: boolean): Paint {
  const style = (format: Parameters<typeof styleText>[0]) => (text: string) =>
    hasColours ? styleText(format, text, { validateStream: false }) : text
  const paint = {
    hasColours,
    dim: style('dim'),
    bold: style('bold'),
    red: style('red'),
    green: style('green'),
    yellow: style('yellow'),
    cyan: style('cyan'),
  }
  return {
    ...paint,
    result: (result, text) => {
      if (result === 'success') return paint.green(text)
      if (result === 'failed') return paint.red(text)
      if (result === 'stopped' || result === 'cancelled') return paint.yellow(text)
      return paint.dim(text)
    },
  }
}
