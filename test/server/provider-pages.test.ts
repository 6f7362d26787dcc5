// The pages of the providers, tried: their own commands against a server like the provider, and what they say that it asks for.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ProviderFlavour } from '../providers/flavour.ts'
import { forgejoFlavour, giteaFlavour } from '../providers/gitea-server.ts'
import { githubFlavour } from '../providers/github-server.ts'
import { gitlabFlavour } from '../providers/gitlab-server.ts'
import { temporaryDirectory } from '../support/git-repository.ts'
import { linkAtHub } from './link-account.ts'
import { openProviderScene } from './provider-scene.ts'
import { password, TestServer } from './test-server.ts'

/** The commands of a page, each as one line without its comment. */
function commandsOf(page: string): readonly string[] {
  const text = readFileSync(join(import.meta.dirname, '../../docs', page), 'utf8')
  const blocks = [...text.matchAll(/^ *```sh\n(.*?)^ *```$/gms)].map(([, block]) => block!)
  return blocks
    .flatMap((block) => block.replaceAll(/\\\n\s*/g, ' ').split('\n'))
    .map((line) => line.replace(/#.*$/, '').trim())
    .filter((line) => line.startsWith('slipway '))
    .map((line) => line.slice('slipway '.length).replaceAll(/\s+/g, ' '))
}

type Case = {
  readonly flavour: ProviderFlavour
  readonly page: string
  /** Which of the page's commands makes the remote source. */
  readonly create: RegExp
}

test.each<[string, Case]>([
  ['GitHub', { flavour: githubFlavour, page: 'providers/github.md', create: /^remote-source create .*--client-id/ }],
  ['GitLab', { flavour: gitlabFlavour, page: 'providers/gitlab.md', create: /^remote-source create .*--client-id/ }],
  ['Gitea', { flavour: giteaFlavour, page: 'providers/gitea.md', create: /^remote-source create .*--client-id/ }],
  ['Gitea by password', { flavour: giteaFlavour, page: 'providers/gitea.md', create: /--auth password/ }],
  ['Forgejo', { flavour: forgejoFlavour, page: 'providers/gitea.md', create: /^remote-source create .*--client-id/ }],
])('%s: the page leads from an application there to a project here', { timeout: 240_000 }, async (_, of) => {
  const { flavour, page, create } = of
  await using scene = await openProviderScene(flavour)
  const { provider, repository, user } = scene
  using folder = temporaryDirectory('pages')
  await using server = await TestServer.start()
  await server.setUp()
  const say = async (line: string, stdin?: string) => {
    const { status, stdout, stderr } = await server.slipway(line.split(' '), stdin === undefined ? {} : { stdin })
    expect([status, stderr], line).toEqual([0, ''])
    return stdout
  }
  const { clientId, clientSecret } = provider.createApplication('Slipway', [`${server.url}/oauth2/callback`])
  const secretFile = join(folder.path, 'secret')
  writeFileSync(secretFile, clientSecret)
  const written = commandsOf(page).find((line) => create.test(line))!
  const made = written
    .replace(/--url \S+/, `--url ${provider.url}`)
    .replace(/--client-id \S+/, `--client-id ${clientId}`)
    .replace(/--client-secret-file \S+/, `--client-secret-file ${secretFile}`)
    // Its page says: as Gitea, with this type.
    .replace(/--type gitea/, `--type ${flavour.type}`)
  await say(made)
  const [, name = ''] = /^remote-source create (\S+)/.exec(made) ?? []
  if (made.includes('--auth password'))
    await say(`user link ${name} --username ${user.login} --password-stdin`, user.password)
  else {
    expect(await say(`user link ${name}`)).toContain(`${server.url}/oauth2/link?source=${name}`)
    await linkAtHub(server.url, scene, { username: 'ann', password }, name)
  }
  expect(await say('user accounts')).toContain(user.login)
  await say(`project create web --from ${name}:${repository.path}`)
  const { id } = await server.client().call('getProject', { params: { projectRef: 'user/ann/web' } })
  expect(repository.keys).toMatchObject([{ title: `slipway ${id}`, isReadOnly: true }])
  expect(repository.hooks).toMatchObject([{ url: `${server.url}/webhooks/${id}`, isActive: true }])
  repository.hooks.length = 0
  await say('project reconfigure user/ann/web')
  expect(repository.hooks).toHaveLength(1)
  await say('project delete user/ann/web')
  await expect.poll(() => [repository.hooks.length, repository.keys.length], { timeout: 120_000 }).toEqual([0, 0])
})

test('every command of the pages is one that there is', { timeout: 120_000 }, async () => {
  const pages = ['providers.md', ...['github', 'gitlab', 'gitea', 'forgejo'].map((name) => `providers/${name}.md`)]
  const known = readFileSync(join(import.meta.dirname, '../../docs/commands.md'), 'utf8')
  for (const page of pages)
    for (const command of commandsOf(page)) {
      const [first = '', second = ''] = command.split(' ')
      const section = known.split(`\n### slipway ${first} ${second}`)[1]?.split('\n### ')[0] ?? ''
      expect(section, `${page}: ${command}`).not.toBe('')
      for (const [option] of command.matchAll(/(?<=\s)--[a-z-]+/g))
        expect(section, `${page}: ${command}`).toContain(option)
    }
})
