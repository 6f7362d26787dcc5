// What runs are made of: refs, commits and files of definitions.

import { describe, expect, test } from 'vitest'
import { limits } from '../../lib/limits.ts'
import type { ProviderContract } from '../provider-contract.ts'
import { missingSha, type OpenWorld, signal } from './provider-world-fixture.ts'

export function refsAndFilesContract(
  open: OpenWorld,
  { definitionRequestsMax }: Pick<ProviderContract, 'definitionRequestsMax'>,
): void {
  describe('refs and commits', () => {
    test('branches and tags are listed with their commits, annotated tags too, over all pages', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      world.server.pageItemsMax = 2
      const main = made.git('rev-parse', 'main')
      const branches = ['a/b', 'feature', 'feature2', 'main']
      for (const branch of branches.slice(0, 3)) made.git('branch', branch)
      for (const name of ['light', 'light2']) await made.tag(name)
      await made.tag('annotated', { isAnnotated: true })
      made.git('tag', '--annotate', '--message', 'Of a tag', 'of-a-tag', 'annotated')
      const names = [
        ...branches.map((branch) => `refs/heads/${branch}`),
        ...['annotated', 'light', 'light2', 'of-a-tag'].map((tag) => `refs/tags/${tag}`),
      ]
      const source = world.provider.openSource(repository)
      const refs = await source.listRefs(signal)
      expect(refs.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual(
        names.map((name) => ({ name, commitSha: main })),
      )
      for (const name of names) expect(await source.findRef(name, signal)).toEqual({ name, commitSha: main })
      expect(await source.findDefaultBranch(signal)).toBe('main')
    })

    test.each([
      'refs/heads/feat',
      'refs/heads/none',
      'refs/tags/main',
      'refs/heads/a',
      'refs/heads/../main',
      'main',
      'refs/heads/ä?b#',
    ])('a ref that is not there is not found: %s', async (name) => {
      await using world = await open()
      const [made, repository] = await world.repository()
      for (const branch of ['feature', 'a/b']) made.git('branch', branch)
      expect(await world.provider.openSource(repository).findRef(name, signal)).toBeUndefined()
    })

    test('a pull request has a ref, and so has a branch with odd characters', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const fork = world.server.fork(made, world.server.createUser('carol'))
      const ofFork = await fork.commit({ files: { c: 'd' }, branch: 'change' })
      const { number } = await made.openPullRequest({ head: fork, branch: 'change' })
      const source = world.provider.openSource(repository)
      const name = world.provider.pullRequestRef(String(number))
      expect(await source.findRef(name, signal)).toEqual({ name, commitSha: ofFork })
      const odd = await made.commit({ files: { a: 'b' }, branch: 'fix/#7%20é&c=d+e' })
      expect(await source.findRef('refs/heads/fix/#7%20é&c=d+e', signal)).toMatchObject({ commitSha: odd })
    })

    test('tags of something else than a commit are none, and those of others are listed all the same', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const main = made.git('rev-parse', 'main')
      await made.tag('v1', { isAnnotated: true })
      for (const [name, at] of [
        ['a-file', 'main:README.md'],
        ['a-folder', 'main^{tree}'],
      ] as const) {
        made.git('tag', name, at)
        made.git('tag', '--annotate', '--message', 'x', `${name}-annotated`, at)
      }
      const source = world.provider.openSource(repository)
      expect(await source.listRefs(signal)).toEqual([
        { name: 'refs/heads/main', commitSha: main },
        { name: 'refs/tags/v1', commitSha: main },
      ])
      for (const name of ['a-file', 'a-folder', 'a-file-annotated'])
        expect(await source.findRef(`refs/tags/${name}`, signal)).toBeUndefined()
    })

    test('a commit tells its message and author', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const sha = await made.commit({ files: { a: 'b' }, message: 'Subject é\n\nBody\n[ci skip]' })
      const source = world.provider.openSource(repository)
      expect(await source.getCommit(sha, 'refs/heads/main', signal)).toEqual({
        sha,
        message: 'Subject é\n\nBody\n[ci skip]',
        author: 'Test',
      })
      for (const missing of [missingSha, 'main', '../../user'])
        await expect(source.getCommit(missing, undefined, signal)).rejects.toMatchObject({ code: 'commit_not_found' })
    })
  })

  describe('files', () => {
    const names = ['config.star', 'config.jsonnet', 'config.json', 'config.yml']

    test('a definition is read with few requests', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const sha = await made.commit({ files: { '.slipway/config.yml': 'text: é\n', '.slipway/other.yml': '' } })
      await made.commit({ files: { '.slipway/config.yml': 'newer' } })
      const before = world.server.requests.length
      const source = world.provider.openSource(repository)
      const read = await source.readFiles({ sha, ref: 'refs/heads/main' }, '.slipway', names, signal)
      expect(read).toEqual([{ path: '.slipway/config.yml', text: 'text: é\n' }])
      expect(world.server.requests.length - before).toBeLessThanOrEqual(definitionRequestsMax)
    })

    test('links, folders and submodules are no files, and a missing folder is empty', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const sha = await made.commit({
        files: { '.slipway/config.json/x': 'in a folder', '.slipway/config.yml': 'A definition', 'a-file': '' },
        links: { '.slipway/config.star': '../README.md', 'a-link': '.slipway' },
        submodules: { '.slipway/config.jsonnet': missingSha },
      })
      const source = world.provider.openSource(repository)
      const read = (folder: string) => source.readFiles({ sha, ref: 'refs/heads/main' }, folder, names, signal)
      expect(await read('.slipway')).toEqual([{ path: '.slipway/config.yml', text: 'A definition' }])
      for (const folder of ['none', 'a-file', 'a-link', '.slipway/none', 'ü?#%']) expect(await read(folder)).toEqual([])
    })

    test('one that is larger than a definition may be is refused', async () => {
      await using world = await open()
      const [made, repository] = await world.repository()
      const bytes = limits.definitionBytes.value
      const source = world.provider.openSource(repository)
      const read = (sha: string) => source.readFiles({ sha, ref: undefined }, '.slipway', names, signal)
      const full = await made.commit({ files: { '.slipway/config.yml': 'x'.repeat(bytes) } })
      expect((await read(full))[0]!.text).toHaveLength(bytes)
      const tooMuch = await made.commit({ files: { '.slipway/config.yml': 'x'.repeat(bytes + 1) } })
      await expect(read(tooMuch)).rejects.toMatchObject({ code: 'limit_exceeded' })
    })

    test('a commit that is not there has none', async () => {
      await using world = await open()
      const [, repository] = await world.repository()
      const source = world.provider.openSource(repository)
      for (const sha of [missingSha, 'main'])
        await expect(source.readFiles({ sha, ref: undefined }, '.slipway', names, signal)).rejects.toMatchObject({
          code: 'commit_not_found',
        })
    })
  })
}
