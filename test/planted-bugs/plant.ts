// Plants a bug: applies one of the patches of this folder to a copy of the sources, and lets what should find it run there.
//
// A patch begins with a line that says what is wrong in it and one, "Found by: ...", with the kind of simulation or the test
// that must fail.

import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { runProcess } from '../../src/lib/process.ts'

const repository = join(import.meta.dirname, '../..')
/** What has to be there for simulation and tests. */
const copied = ['src', 'test/support', 'package.json', 'tsconfig.json', 'vitest.config.ts']

export type PlantedBug = {
  readonly name: string
  readonly text: string
  /** `shared`, `embedded` or `cold` for the simulation, else the path of a test file. */
  readonly foundBy: string
  readonly patch: string
}

export type Hunt = {
  readonly isFound: boolean
  readonly seconds: number
  /** The first thing that was said of it. */
  readonly said: string
}

/** All of them, by name. Throws when one has no description. */
export function plantedBugs(): readonly PlantedBug[] {
  const names = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.patch'))
  return names.sort().map((file) => {
    const patch = join(import.meta.dirname, file)
    const [text = '', second = ''] = readFileSync(patch, 'utf8').split('\n')
    const foundBy = /^Found by: (?:test )?(\S+)$/.exec(second)?.[1]
    if (foundBy === undefined) throw new Error(`${file} does not say in its second line what finds it`)
    return { name: file.slice(0, -'.patch'.length), text, foundBy, patch }
  })
}

/** The sources as they are now. */
export function copySources(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'slipway-planted-'))
  mkdirSync(join(path, 'test'))
  for (const name of copied) cpSync(join(repository, name), join(path, name), { recursive: true })
  symlinkSync(join(repository, 'node_modules'), join(path, 'node_modules'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** Why the patch cannot be applied to the `sources`; undefined when it can. */
export async function misfit(bug: PlantedBug, sources: string, signal: AbortSignal): Promise<string | undefined> {
  const environment = { ...process.env, GIT_CEILING_DIRECTORIES: sources }
  const { code, output } = await run(['git', 'apply', '--check', bug.patch], { folder: sources, environment, signal })
  return code === 0 ? undefined : output.trim()
}

/** A patch that does not fit the `sources` finds nothing. `minutes` is the time that the simulation has. */
export async function hunt(
  bug: PlantedBug,
  { sources, minutes, signal }: { readonly sources: string; readonly minutes: number; readonly signal: AbortSignal },
): Promise<Hunt> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-planted-'))
  try {
    cpSync(sources, folder, { recursive: true, verbatimSymlinks: true })
    const environment = { ...process.env, GIT_CEILING_DIRECTORIES: folder }
    const applied = await run(['git', 'apply', bug.patch], { folder, environment, signal })
    if (applied.code !== 0) return { isFound: false, seconds: 0, said: `the patch does not fit: ${applied.output}` }
    const startedAt = performance.now()
    const isSimulated = /^(shared|embedded|cold)$/.test(bug.foundBy)
    const simulation = ['src/datamanager/simulation/main.ts', '--kind', bug.foundBy, '--minutes', String(minutes)]
    const tests = ['node_modules/vitest/vitest.mjs', 'run', bug.foundBy, '--bail=1']
    const command = [process.execPath, ...(isSimulated ? simulation : tests)]
    const { code, output } = await run(command, { folder, environment, signal })
    const said = isSimulated ? /^\w+ seed \d+: .*$/m.exec(output)?.[0] : /FAIL.*$/m.exec(output)?.[0]
    const seconds = (performance.now() - startedAt) / 1000
    return { isFound: code !== 0 && said !== undefined, seconds, said: said ?? output.slice(-300) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function run(
  [program = '', ...args]: readonly string[],
  { folder, environment, signal }: { folder: string; environment: NodeJS.ProcessEnv; signal: AbortSignal },
): Promise<{ readonly code: number; readonly output: string }> {
  const { code, stdout, stderr } = await runProcess(program, args, { cwd: folder, environment, signal })
  return { code, output: stripVTControlCharacters(`${stderr}\n${stdout}`) }
}
