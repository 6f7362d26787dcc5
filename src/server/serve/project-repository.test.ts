// How runs of a project log in where they clone.

import { expect, test } from 'vitest'
import type { Project } from '../../configstore/types.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { cloneAccessOf } from './project-repository.ts'

const url = 'https://git.example/acme/web.git'
const credentials = { type: 'password', userName: 'ci', password: 'the-password' } as const

function accessAt(cloneUrl: string, source: object = { kind: 'git', url, auth: 'password', userName: 'ci' }) {
  const configstore = {
    getProject: async ({ project }: { readonly project: string }) => {
      if (project === 'gone') throw new SlipwayError('project_not_found', 'gone')
      return { id: project, source, skipSshHostKeyCheck: false } as Project
    },
    projectCredentials: async () => ({ gitPassword: 'the-password' }),
  }
  const made = { projectId: cloneUrl === 'gone' ? 'gone' : 'p', cloneUrl }
  return cloneAccessOf(made, { configstore } as unknown as Parameters<typeof cloneAccessOf>[1])
}

test.each([
  ['where it was made', url, credentials],
  ['at another path of the same host', 'https://git.example/acme/before.git', credentials],
  ['at another host', 'https://other.example/acme/web.git', undefined],
  ['at another port', 'https://git.example:8443/acme/web.git', undefined],
  ['without TLS', 'http://git.example/acme/web.git', undefined],
  ['by another protocol', 'ssh://git@git.example/acme/web.git', undefined],
])(
  'the password of a repository goes with a run that clones %s only to its own host',
  async (_, cloneUrl, expected) => {
    const address = await accessAt(cloneUrl)
    expect(address?.access.credentials).toEqual(expected)
    // As the project says, and not as the machine of the executor is set up.
    expect(address).toHaveProperty('access')
  },
)

test('there is nothing for a project without repository, and for one that is gone', async () => {
  expect(await accessAt(url, { kind: 'none' })).toBeUndefined()
  expect(await accessAt('gone')).toBeUndefined()
})
