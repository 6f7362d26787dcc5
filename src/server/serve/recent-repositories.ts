// What providers said of the repositories of projects a moment ago, so that they are not asked by each of many pushes. It may be wrong by
// now: who does not find something with it asks the provider and tries once more. A changed project is asked for anew.

import type { OpenedProvider, ProviderAccess } from '../../configstore/provider-access.ts'
import type { Project } from '../../configstore/types.ts'
import type { AskedAnew } from '../../gateway/runs/project-sources.ts'
import type { GitSource } from '../../gitsource/git-source.ts'
import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError } from '../../lib/errors.ts'

export type RecentRepository = OpenedProvider & { readonly source: GitSource }

/** A repository that was renamed or is gone is noted so much later, at most. */
const recentMs = 10_000
/** Each a few kilobytes. */
const keptMost = 1_000

export class RecentRepositories {
  readonly #providers: Pick<ProviderAccess, 'openProviderOfProject'>
  readonly #clock: Clock
  /** The oldest first. */
  readonly #known = new Map<string, { readonly opened: OpenedProvider; readonly askedAt: number }>()

  constructor({
    providers,
    clock,
  }: {
    readonly providers: Pick<ProviderAccess, 'openProviderOfProject'>
    readonly clock: Clock
  }) {
    this.#providers = providers
    this.#clock = clock
  }

  /** Errors: those of `openProviderOfProject`. */
  async open(project: Project, signal: AbortSignal, asked?: AskedAnew): Promise<RecentRepository> {
    const known = this.#known.get(keyOf(project))
    const isTrue = known !== undefined && this.#isRecent(known.askedAt) && isAsCalled(known.opened, asked)
    if (!isTrue) return withSource(await this.#ask(project, signal))
    return { ...known.opened, source: this.#askingAgain(project, known.opened) }
  }

  /** `act` with it; once more, asked for anew, when it does not find something. Errors: those of `openProviderOfProject` and of `act`. */
  async use<T>(project: Project, act: (opened: OpenedProvider) => Promise<T>, signal: AbortSignal): Promise<T> {
    const known = this.#known.get(keyOf(project))
    if (known === undefined || !this.#isRecent(known.askedAt)) return await act(await this.#ask(project, signal))
    try {
      return await act(known.opened)
    } catch (error) {
      if (!isSlipwayError(error) || error.kind !== 'notfound') throw error
      return await act(await this.#ask(project, signal))
    }
  }

  #isRecent(askedAt: number): boolean {
    const age = this.#clock.now() - askedAt
    return age >= 0 && age < recentMs
  }

  async #ask(project: Project, signal: AbortSignal): Promise<OpenedProvider> {
    const key = keyOf(project)
    const askedAt = this.#clock.now()
    this.#known.delete(key)
    const opened = await this.#providers.openProviderOfProject(project, signal)
    this.#known.set(key, { opened, askedAt })
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= keptMost) break
      this.#known.delete(oldest)
    }
    return opened
  }

  #askingAgain(project: Project, known: OpenedProvider): GitSource {
    let { source } = withSource(known)
    let isAsked = false
    const askAgain = async (signal: AbortSignal) => {
      source = withSource(await this.#ask(project, signal)).source
      isAsked = true
    }
    const call = async <T>(act: (from: GitSource) => Promise<T>, signal: AbortSignal): Promise<T> => {
      try {
        return await act(source)
      } catch (error) {
        if (isAsked || !isSlipwayError(error) || error.kind !== 'notfound') throw error
        await askAgain(signal)
        return await act(source)
      }
    }
    return {
      listRefs: (signal) => call((from) => from.listRefs(signal), signal),
      findRef: async (name, signal) => {
        const found = await call((from) => from.findRef(name, signal), signal)
        if (found !== undefined || isAsked) return found
        await askAgain(signal)
        return await source.findRef(name, signal)
      },
      findDefaultBranch: (signal) => call((from) => from.findDefaultBranch(signal), signal),
      getCommit: (sha, ref, signal) => call((from) => from.getCommit(sha, ref, signal), signal),
      readFiles: (commit, folder, names, signal) =>
        call((from) => from.readFiles(commit, folder, names, signal), signal),
    }
  }
}

const withSource = (opened: OpenedProvider): RecentRepository => ({
  ...opened,
  source: opened.provider.openSource(opened.repository),
})

/** Providers take letters of either case for the same. */
function isAsCalled({ repository }: OpenedProvider, asked: AskedAnew | undefined): boolean {
  if (asked === undefined) return true
  return asked !== 'always' && repository.path.toLowerCase() === asked.unlessCalled.toLowerCase()
}

/** Its version changes with all that is set of it, its source among that. */
const keyOf = ({ id, version }: Project) => `${id} ${version}`
