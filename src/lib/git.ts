// Runs git with an environment that neither asks questions nor reads what belongs to somebody else.

import { SlipwayError } from './errors.ts'
import { type ProcessOptions, runProcess } from './process.ts'

export type GitOptions = ProcessOptions & {
  /** Exit codes that are answers, not errors; default only 0. */
  readonly codes?: readonly number[]
}

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

function pick(environment: Readonly<Record<string, string | undefined>>, names: readonly string[]) {
  return Object.fromEntries(
    names.filter((name) => environment[name] !== undefined).map((name) => [name, environment[name]]),
  )
}

/** `https://user:token@host/x` becomes `https://host/x`. */
function scrub(text: string): string {
  return text.replace(/(\w+:\/\/)[^/@\s]+@/g, '$1')
}
