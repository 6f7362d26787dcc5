// The expanded definition as text, in the manner of YAML: what is empty or off is left out, so that what counts is seen.

export function configText(value: unknown): string {
  return linesOf(value, '').join('\n')
}

function linesOf(value: unknown, indent: string): readonly string[] {
  if (Array.isArray(value))
    return value.flatMap((item) => {
      const [first = '', ...rest] = linesOf(item, `${indent}  `)
      return [`${indent}- ${first.trimStart()}`, ...rest]
    })
  if (typeof value === 'object' && value !== null) {
    if (isSecret(value)) return [`${indent}(secret)`]
    return Object.entries(value)
      .filter(([, member]) => !isEmpty(member))
      .flatMap(([name, member]) => memberLines(name, member, indent))
  }
  return [`${indent}${scalar(value)}`]
}

function memberLines(name: string, value: unknown, indent: string): readonly string[] {
  if (typeof value === 'string' && value.includes('\n'))
    return [
      `${indent}${name}: |`,
      ...value
        .trimEnd()
        .split('\n')
        .map((line) => `${indent}  ${line}`),
    ]
  if (typeof value === 'object' && value !== null && !isSecret(value))
    return [`${indent}${name}:`, ...linesOf(value, `${indent}  `)]
  return [`${indent}${name}: ${linesOf(value, '')[0]}`]
}

function scalar(value: unknown): string {
  const isPlain = typeof value !== 'string' || /^[\w./@$(){}][^\n#]*$/.test(value)
  return isPlain && value !== 'true' && value !== 'false' ? String(value) : JSON.stringify(value)
}

function isEmpty(value: unknown): boolean {
  if (value === '' || value === false || value === 0 || value === null || value === undefined) return true
  return typeof value === 'object' && Object.keys(value).length === 0
}

function isSecret(value: object): boolean {
  return 'secret' in value && value.secret === true
}
