// Texts of the picture end where their box does; SVG cuts none by itself.

let context: CanvasRenderingContext2D | null | undefined
let family = ''

/** The text as it fits into so many pixels, with an ellipsis where it does not. `weight` and `sizePx` are those it is drawn with. */
export function cutText(text: string, widthPx: number, weight: number, sizePx: number): string {
  if (context === undefined) {
    context = document.createElement('canvas').getContext('2d')
    family = getComputedStyle(document.documentElement).getPropertyValue('--sans')
  }
  if (context === null) return text
  context.font = `${weight} ${sizePx}px ${family}`
  if (context.measureText(text).width <= widthPx) return text
  let [fits, most] = [0, text.length - 1]
  while (fits < most) {
    const length = Math.ceil((fits + most) / 2)
    if (context.measureText(`${text.slice(0, length)}…`).width <= widthPx) fits = length
    else most = length - 1
  }
  return `${text.slice(0, fits).trimEnd()}…`
}
