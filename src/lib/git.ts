// Runs git with an environment that neither asks questions nor reads what belongs to somebody else.

import { SlipwayError } from './errors.ts'
import { type ProcessOptions, runProcess } from './process.ts'

export type GitOptions = ProcessOptions & {
  /** Exit codes that are answers, not errors; default only 0. */
  readonly codes?: readonly number[]
}

export type GitSetting = readonly [name: string, value: string]

/** Output of `git ARGS`, `git_failed` with what git said otherwise. Credentials in URLs of its message are left out. */
export async function runGit(args: readonly string[], options: GitOptions = {}): Promise<Buffer> {
  const result = await runGitForCode(args, options)
  if (!(options.codes ?? [0]).includes(result.code)) {
    throw new SlipwayError('git_failed', `git ${verbOf(args)}: ${scrub(result.stderr.trim())}`)
  }
  return result.stdout
}

/** As `runGit`, trimmed text. */
export async function gitText(args: readonly string[], options: GitOptions = {}): Promise<string> {
  return (await runGit(args, options)).toString('utf8').trim()
}

/** Environment for git with settings of its own, later ones over earlier ones; `runGit` adds them to those our environment has. */
export function gitSettings(settings: readonly GitSetting[]): Readonly<Record<string, string>> {
  const named = settings.flatMap(([name, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, name],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ])
  return { GIT_CONFIG_COUNT: String(settings.length), ...Object.fromEntries(named) }
}

/** True when `git ARGS` exits with 0. */
export async function gitSucceeds(args: readonly string[], options: GitOptions = {}): Promise<boolean> {
  return (await runGitForCode(args, options)).code === 0
}

async function runGitForCode(args: readonly string[], options: GitOptions) {
  try {
    return await runProcess('git', args, {
      ...options,
      environment: {
        ...withoutRepository(process.env),
        ...withoutRepository(options.environment ?? {}),
        GIT_TERMINAL_PROMPT: '0',
        GIT_ASKPASS: '',
        SSH_ASKPASS: '',
        // Checking out fetches nothing by itself, whatever filters the machine has.
        GIT_LFS_SKIP_SMUDGE: '1',
        LC_ALL: 'C',
        ...pick(options.environment ?? {}, repositoryVariables),
        ...gitSettings([...settingsIn(process.env), ...settingsIn(options.environment ?? {}), noHooks]),
      },
    })
  } catch (cause) {
    if (options.signal?.aborted) throw options.signal.reason
    throw new SlipwayError('git_failed', 'cannot start git: install it and put it in PATH', { cause })
  }
}

/** The subcommand, after git's own options. */
function verbOf(args: readonly string[]): string {
  let index = 0
  while (args[index]?.startsWith('-')) index += ['-C', '-c', '--git-dir', '--work-tree'].includes(args[index]!) ? 2 : 1
  return args[index] ?? ''
}

/** Of the user's, or of this machine's: they know nothing of what we do, and may refuse it. */
const noHooks: GitSetting = ['core.hooksPath', '/dev/null']

/** A number beyond it is none that anybody meant. */
const settingsMost = 1000

const repositoryVariables = [
  'GIT_DIR',
  'GIT_WORK_TREE',
  'GIT_INDEX_FILE',
  'GIT_OBJECT_DIRECTORY',
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
  'GIT_COMMON_DIR',
] as const

/** When we are started from a git hook these name the hook's repository; only a caller's own choice may count. */
function withoutRepository(environment: Readonly<Record<string, string | undefined>>) {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !(repositoryVariables as readonly string[]).includes(name)),
  )
}

/** What `gitSettings` made, or somebody who started us (git-config, "GIT_CONFIG_COUNT"): a folder that is safe, a proxy. */
function settingsIn(environment: Readonly<Record<string, string | undefined>>): readonly GitSetting[] {
  const count = Number(environment.GIT_CONFIG_COUNT ?? 0)
  if (!Number.isSafeInteger(count) || count > settingsMost) return []
  return Array.from({ length: Math.max(0, count) }, (_, index) => {
    const value = (name: string) => environment[`GIT_CONFIG_${name}_${index}`] ?? ''
    return [value('KEY'), value('VALUE')] as const
  }).filter(([name]) => name !== '')
}

function pick(environment: Readonly<Record<string, string | undefined>>, names: readonly string[]) {
  return Object.fromEntries(
    names.filter((name) => environment[name] !== undefined).map((name) => [name, environment[name]]),
  )
}

/** `https://user:token@host/x` becomes `https://host/x`, also where the token has an `@`. */
function scrub(text: string): string {
  return text.replace(/(\w+:\/\/)[^/\s]+@/g, '$1')
}
