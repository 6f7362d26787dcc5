// Settings of a process, from a file, the environment and options, in rising order, checked against a schema: all problems at
// once, each with the place where it was said.

import { readFileSync } from 'node:fs'
import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { parseDocument } from 'yaml'
import { errorMessage, SlipwayError } from '../../lib/errors.ts'
import type { Json } from '../../lib/json.ts'

export type SettingsSources = {
  /** The YAML (or JSON) file; `config_invalid` when it cannot be read. */
  readonly file?: string
  /** `SLIPWAY_DATABASE_LOG=etcd` sets `database.log`; values are YAML; a list is `[a, b]` or `a,b`. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Of the command line, by the path of the setting. */
  readonly options?: Readonly<Record<string, Json | undefined>>
}

export type Problem = { readonly where: string; readonly what: string }

export type SettingsKind<Said, Settings> = {
  /** Begins the names of environment variables. */
  readonly prefix: string
  /** With all defaults. */
  readonly complete: (said: Said) => Settings
  /** What each setting alone allows and all together do not. */
  readonly contradictions: (said: Said, settings: Settings) => readonly Problem[]
}

/** Errors: `config_invalid` with every problem: where it was said, and what was expected. */
export function readSettingsAs<Said, Settings>(
  schema: TSchema,
  { file, environment, options = {} }: SettingsSources,
  { prefix, complete, contradictions }: SettingsKind<Said, Settings>,
): Settings {
  const problems: Problem[] = []
  const value = file === undefined ? {} : readFile(file, problems)
  for (const { path, isList } of leavesOf(schema)) {
    const name = environmentNameOf(prefix, path)
    const given = environment[name]
    if (given === undefined || given === '') continue
    const parsed = parseYaml(given, `the environment variable ${name}`, problems)
    set(value, path, isList && typeof parsed === 'string' ? parsed.split(',').map((item) => item.trim()) : parsed)
  }
  for (const [path, given] of Object.entries(options)) if (given !== undefined) set(value, path.split('.'), given)
  problems.push(...schemaProblems(schema, value))
  if (problems.length === 0) {
    // The schema holds, so this is what it is.
    const said = value as Said
    const settings = attempt(() => complete(said), problems)
    if (settings !== undefined) {
      problems.push(...contradictions(said, settings))
      if (problems.length === 0) return settings
    }
  }
  const lines = problems.map(({ where, what }) => (where === '' ? what : `${where}: ${what}`))
  throw new SlipwayError(
    'config_invalid',
    `the settings${file === undefined ? '' : ` (${file})`} have errors:\n  ${lines.join('\n  ')}`,
  )
}

/** Every setting that is not a section, as path; of a choice of sections the members of all. */
export function pathsOf(schema: TSchema): readonly (readonly string[])[] {
  return leavesOf(schema).map(({ path }) => path)
}

type Leaf = { readonly path: readonly string[]; readonly isList: boolean }

function leavesOf(schema: TSchema): readonly Leaf[] {
  const found = new Map<string, Leaf>()
  const walk = (schema: unknown, path: readonly string[]): void => {
    const { properties, anyOf, type } = schema as {
      properties?: Record<string, unknown>
      anyOf?: readonly unknown[]
      type?: unknown
    }
    if (properties !== undefined) for (const [name, inner] of Object.entries(properties)) walk(inner, [...path, name])
    else if (anyOf !== undefined) for (const inner of anyOf) walk(inner, path)
    else found.set(path.join('.'), { path, isList: type === 'array' })
  }
  walk(schema, [])
  return [...found.values()]
}

/** `database.etcd.caFile` is SLIPWAY_DATABASE_ETCD_CA_FILE with the prefix SLIPWAY. */
export function environmentNameOf(prefix: string, path: readonly string[]): string {
  return `${prefix}_${path.map((part) => part.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()).join('_')}`
}

function readFile(path: string, problems: Problem[]): Record<string, unknown> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new SlipwayError('config_invalid', `read the settings: ${errorMessage(cause)}`, { cause })
  }
  const value = parseYaml(text, '', problems) ?? {}
  if (typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>
  problems.push({ where: '', what: 'the file is not a mapping of settings' })
  return {}
}

function parseYaml(text: string, where: string, problems: Problem[]): unknown {
  const document = parseDocument(text, { version: '1.2', uniqueKeys: true, prettyErrors: true })
  for (const error of document.errors) problems.push({ where, what: error.message.split('\n')[0]!.replace(/:$/, '') })
  return document.errors.length > 0 ? undefined : (document.toJS({ maxAliasCount: 100 }) as unknown)
}

function set(value: Record<string, unknown>, path: readonly string[], given: unknown): void {
  let at = value
  for (const part of path.slice(0, -1)) {
    const inner = at[part]
    const copy: Record<string, unknown> =
      typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? { ...inner } : {}
    at[part] = copy
    at = copy
  }
  at[path.at(-1)!] = given
}

type Variant = TSchema & { readonly properties: { readonly type: { readonly const?: unknown } } }

/** In words; of a choice of sections, what is wrong with the one that was meant. */
function schemaProblems(schema: TSchema, value: Record<string, unknown>): Problem[] {
  const { properties = {} } = schema as {
    readonly properties?: Readonly<Record<string, { anyOf?: readonly Variant[] }>>
  }
  const rest = { ...value }
  const problems: Problem[] = []
  for (const [name, { anyOf }] of Object.entries(properties)) {
    if (anyOf === undefined || value[name] === undefined) continue
    delete rest[name]
    const given = value[name]
    const type = typeof given === 'object' && given !== null && 'type' in given ? given.type : undefined
    const variant = anyOf.find((candidate) => candidate.properties.type.const === type)
    const types = anyOf.map((candidate) => candidate.properties.type.const)
    if (variant === undefined) problems.push({ where: `${name}.type`, what: `expected ${types.join(' or ')}` })
    else problems.push(...problemsOf(variant, given, name))
  }
  return [...problemsOf(schema, rest, ''), ...problems]
}

function problemsOf(schema: TSchema, value: unknown, base: string): Problem[] {
  const problems: Problem[] = []
  for (const { keyword, instancePath, params, message } of Value.Errors(schema, value)) {
    const where = [base, ...instancePath.split('/').slice(1)].filter((part) => part !== '').join('.')
    const facts = params as {
      additionalProperties?: readonly string[]
      requiredProperties?: readonly string[]
      allowedValues?: readonly unknown[]
    }
    if (keyword === 'additionalProperties')
      for (const name of facts.additionalProperties ?? [])
        problems.push({
          where: where === '' ? name : `${where}.${name}`,
          what: `is no setting${suggestion(schema, where, base, name)}`,
        })
    else if (keyword === 'required')
      for (const name of facts.requiredProperties ?? [])
        problems.push({ where: where === '' ? name : `${where}.${name}`, what: 'is missing' })
    else if (keyword === 'enum') problems.push({ where, what: `expected ${(facts.allowedValues ?? []).join(', ')}` })
    else if (keyword !== 'boolean') problems.push({ where, what: message })
  }
  return problems
}

/** A setting of the same section whose name begins alike, whatever its case. */
function suggestion(schema: unknown, where: string, base: string, name: string): string {
  const inside = base === '' ? where : where.slice(base.length + 1)
  let at = schema as { properties?: Record<string, unknown> } | undefined
  for (const part of inside.split('.').filter((text) => text !== '')) at = at?.properties?.[part] as typeof at
  const fold = (text: string) => text.toLowerCase().replaceAll(/[^a-z]/g, '')
  const known = Object.keys(at?.properties ?? {})
  const near =
    known.find((candidate) => fold(candidate) === fold(name)) ??
    known.find((candidate) => fold(candidate).startsWith(fold(name).slice(0, 4)))
  return near === undefined ? '' : `: did you mean ${near}?`
}

function attempt<T>(action: () => T, problems: Problem[]): T | undefined {
  try {
    return action()
  } catch (error) {
    problems.push({ where: '', what: errorMessage(error) })
    return undefined
  }
}
