// A setup error as its parts: `.slipway/config.yml:6:23: runs[0].tasks[0].steps[0].run: wrong type: a number`. All parts but the
// message may be missing.

export type SetupError = {
  readonly file?: string
  readonly line?: number
  readonly column?: number
  readonly place?: string
  readonly message: string
}

const pattern =
  /^(?<file>[^\s:]+\.[a-z]+)(?::(?<line>\d+)(?::(?<column>\d+))?)?: (?:(?<place>\w+(?:\[\d+\]|\.[\w-]+)+): )?(?<message>.*)$/s

export function parseSetupError(text: string): SetupError {
  const found = pattern.exec(text)
  if (found?.groups === undefined) return { message: text }
  const { file, line, column, place, message = '' } = found.groups
  return {
    message,
    ...(file === undefined ? {} : { file }),
    ...(line === undefined ? {} : { line: Number(line) }),
    ...(column === undefined ? {} : { column: Number(column) }),
    ...(place === undefined ? {} : { place }),
  }
}
