// Settings of `slipway executor`, from a file, the environment (`SLIPWAY_EXECUTOR_...`) and options.

import { readFileSync, statSync } from 'node:fs'
import { availableParallelism, homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import Type, { type Static } from 'typebox'
import { errorMessage, SlipwayError } from '../../lib/errors.ts'
import { pathsOf, readSettingsAs, type SettingsSources } from '../settings/said-settings.ts'

const optional = Type.Optional
const text = (description: string, more: object = {}) => Type.String({ minLength: 1, description, ...more })
const flag = (description: string) => Type.Boolean({ description, default: false })
const oneOf = <const V extends readonly string[]>(values: V, description: string, value?: V[number]) =>
  Type.Unsafe<V[number]>({
    type: 'string',
    enum: [...values],
    description,
    ...(value === undefined ? {} : { default: value }),
  })
const section = <P extends Record<string, Type.TSchema>>(description: string, properties: P) =>
  Type.Object(properties, { additionalProperties: false, description })

export const executorSettingsSchema = section('Settings of `slipway executor`.', {
  url: optional(text('Of the server: `https://ci.example.org`.')),
  tokenFile: optional(text('File with the token of this executor; nobody else should be able to read it.')),
  caFile: optional(text('PEM file with certificate authorities that are trusted besides the usual ones.')),
  signedUrls: optional(
    Type.Boolean({
      description: 'Archives go straight to the bucket of the server, if it has one; false: through the server.',
      default: true,
    }),
  ),
  bucketCaFile: optional(text('As `caFile`, for the bucket. Default: `caFile`.')),
  dataDir: optional(
    text('Pods, mirrors and what it remembers. Default: `slipway-executor` in the data directory of the user.'),
  ),
  driver: optional(oneOf(['auto', 'docker', 'host'], 'How pods are made.', 'auto')),
  tasks: optional(
    Type.Integer({ minimum: 1, maximum: 10_000, description: 'Tasks at once. Default: the number of processors.' }),
  ),
  labels: optional(
    Type.Record(Type.String(), Type.String(), {
      description: 'What tasks may ask for. A token may name others, which then count.',
    }),
  ),
  pull: optional(oneOf(['if_missing', 'always', 'never'], 'When images are pulled.', 'if_missing')),
  allowPrivileged: optional(flag('Tasks may ask for privileged containers.')),
  allowUnsandboxed: optional(flag('Tasks may run as ordinary processes when there is no bubblewrap.')),
  log: optional(
    section('What it writes about itself, to standard error.', {
      level: optional(oneOf(['debug', 'info', 'warn', 'error'], 'Least important that is written.', 'info')),
      format: optional(oneOf(['text', 'json'], 'Default: `text` on a terminal, `json` elsewhere.')),
    }),
  ),
})

type Said = Static<typeof executorSettingsSchema>

export type ExecutorProcessSettings = {
  readonly url: string
  readonly token: string
  readonly tokenFile: string
  readonly caFile: string | undefined
  readonly signedUrls: boolean
  readonly bucketCaFile: string | undefined
  readonly dataDir: string
  readonly driver: 'auto' | 'docker' | 'host'
  readonly tasks: number
  readonly labels: Readonly<Record<string, string>>
  readonly pull: 'if_missing' | 'always' | 'never'
  readonly allowPrivileged: boolean
  readonly allowUnsandboxed: boolean
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly format: 'text' | 'json' | undefined }
  /** What is to be known before it starts, but is no reason not to. */
  readonly warnings: readonly string[]
}

/** Errors: `config_invalid` with every problem. */
export function readExecutorSettings(sources: SettingsSources): ExecutorProcessSettings {
  return readSettingsAs<Said, ExecutorProcessSettings>(executorSettingsSchema, sources, {
    prefix: 'SLIPWAY_EXECUTOR',
    complete: (said) => complete(said, sources.environment),
    contradictions: () => [],
  })
}

/** Every setting, as path. */
export function executorSettingPaths(): readonly (readonly string[])[] {
  return pathsOf(executorSettingsSchema)
}

function complete(said: Said, environment: SettingsSources['environment']): ExecutorProcessSettings {
  if (said.url === undefined) throw new SlipwayError('config_invalid', 'url: where the server is, is missing (--url)')
  if (said.tokenFile === undefined)
    throw new SlipwayError(
      'config_invalid',
      'tokenFile: the file with the token of this executor is missing (--token-file)',
    )
  const tokenFile = resolve(said.tokenFile)
  return Object.freeze({
    url: said.url.replace(/\/+$/, ''),
    token: readToken(tokenFile),
    tokenFile,
    caFile: said.caFile,
    signedUrls: said.signedUrls ?? true,
    bucketCaFile: said.bucketCaFile ?? said.caFile,
    dataDir: resolve(said.dataDir ?? defaultDataDir(environment)),
    driver: said.driver ?? 'auto',
    tasks: said.tasks ?? availableParallelism(),
    labels: said.labels ?? {},
    pull: said.pull ?? 'if_missing',
    allowPrivileged: said.allowPrivileged ?? false,
    allowUnsandboxed: said.allowUnsandboxed ?? false,
    log: { level: said.log?.level ?? 'info', format: said.log?.format },
    warnings: isReadableByOthers(tokenFile) ? [`everybody on this machine can read ${tokenFile}: chmod 600 it`] : [],
  })
}

function readToken(path: string): string {
  let token: string
  try {
    token = readFileSync(path, 'utf8').trim()
  } catch (cause) {
    throw new SlipwayError('config_invalid', `tokenFile: ${errorMessage(cause)}`, { cause })
  }
  // It goes into a header.
  if (!/^[\x21-\x7e]+$/.test(token)) throw new SlipwayError('config_invalid', `tokenFile: ${path} holds no token`)
  return token
}

function isReadableByOthers(path: string): boolean {
  return ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o004) !== 0
}

function defaultDataDir(environment: SettingsSources['environment']): string {
  const base = environment.XDG_DATA_HOME
  if (base !== undefined && isAbsolute(base)) return join(base, 'slipway-executor')
  return join(environment.HOME ?? homedir(), '.local', 'share', 'slipway-executor')
}
