// How runs are shown at their commits.

import { describe, expect, test } from 'vitest'
import { commitStatusStates } from '../provider.ts'
import type { ProviderContract } from '../provider-contract.ts'
import { missingSha, type OpenWorld, signal } from './provider-world-fixture.ts'

export function commitStatusesContract(
  open: OpenWorld,
  { states, descriptionCharactersMax }: Pick<ProviderContract, 'states' | 'descriptionCharactersMax'>,
): void {
  describe('commit statuses', () => {
    test.each(commitStatusStates)(
      '%s is shown as what the provider has for it, and may be said again',
      async (state) => {
        await using world = await open()
        const [made, repository] = await world.repository()
        const commitSha = made.git('rev-parse', 'main')
        const status = { commitSha, state, context: 'slipway/project/run', description: 'Says what it is' }
        const targetUrl = 'https://slipway.example.com/runs/1'
        await world.provider.setCommitStatus(repository, { ...status, targetUrl }, signal)
        await world.provider.setCommitStatus(repository, { ...status, targetUrl }, signal)
        expect(made.statuses.at(-1)).toMatchObject({
          sha: commitSha,
          state: states[state],
          context: status.context,
          description: status.description,
          targetUrl,
        })
      },
    )

    test('one goes from queued to its end', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const commitSha = made.git('rev-parse', 'main')
      for (const state of ['queued', 'running', 'success'] as const)
        await world.provider.setCommitStatus(repository, { commitSha, state, context: 'c', description: state }, signal)
      expect(made.statuses.at(-1)).toMatchObject({ state: states.success, description: 'success' })
    })

    test('a long description is cut to what the provider takes, and not within a character', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const commitSha = made.git('rev-parse', 'main')
      const description = '😀'.repeat(descriptionCharactersMax + 1)
      await world.provider.setCommitStatus(
        repository,
        { commitSha, state: 'failed', context: 'c', description },
        signal,
      )
      const shown = made.statuses.at(-1)!.description
      expect([...shown].length).toBeLessThanOrEqual(descriptionCharactersMax)
      expect(shown).toMatch(/^(😀)+…?$/u)
    })

    test('a commit of a pull request from a fork gets one as well', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const fork = world.server.fork(made, world.server.createUser('carol'))
      const commitSha = await fork.commit({ files: { c: 'd' }, branch: 'change' })
      await made.openPullRequest({ head: fork, branch: 'change' })
      await world.provider.setCommitStatus(
        repository,
        { commitSha, state: 'success', context: 'c', description: '' },
        signal,
      )
      expect(made.statuses.at(-1)).toMatchObject({ sha: commitSha, state: states.success })
    })

    test('whoever may push may say one, whoever may only read is refused', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const status = {
        commitSha: made.git('rev-parse', 'main'),
        state: 'success',
        context: 'c',
        description: '',
      } as const
      const dave = world.server.createUser('dave')
      made.writers.add(dave)
      await world.openAs(dave).setCommitStatus(repository, status, signal)
      expect(made.statuses).toHaveLength(1)
      made.writers.delete(dave)
      made.readers.add(dave)
      const setting = world.openAs(dave).setCommitStatus(repository, status, signal)
      await expect(setting).rejects.toMatchObject({
        code: expect.stringMatching(/provider_refused|remote_repository_not_found/),
      })
      expect(made.statuses).toHaveLength(1)
    })

    test('a commit that is not there gets none', async () => {
      await using world = await open()
      const [, repository] = await world.repository()
      const status = { commitSha: missingSha, state: 'success', context: 'c', description: '' } as const
      const setting = world.provider.setCommitStatus(repository, status, signal)
      await expect(setting).rejects.toMatchObject({ code: expect.stringMatching(/commit_not_found|provider_refused/) })
    })
  })
}
