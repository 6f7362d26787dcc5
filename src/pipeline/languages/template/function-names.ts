/** What a template may call: Go's own functions, and those of cache keys. */
export const builtinNames = [
  'and',
  'call',
  'eq',
  'ge',
  'gt',
  'html',
  'index',
  'js',
  'le',
  'len',
  'lt',
  'ne',
  'not',
  'or',
  'print',
  'printf',
  'println',
  'slice',
  'urlquery',
] as const

export const factNames = ['arch', 'day', 'env', 'md5sum', 'month', 'os', 'sha256sum', 'unixtime', 'year'] as const

export type BuiltinName = (typeof builtinNames)[number]
export type FactName = (typeof factNames)[number]

export const functionNames: ReadonlySet<string> = new Set<string>([...builtinNames, ...factNames])
