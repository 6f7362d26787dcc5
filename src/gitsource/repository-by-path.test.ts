import { expect, test } from 'vitest'
import { repositoryByPath } from './repository-by-path.ts'

test('a path of a repository is OWNER/NAME, escaped', () => {
  expect(repositoryByPath('acme/web.js')).toBe('/repos/acme/web.js')
  expect(repositoryByPath('ac?me/w#b')).toBe('/repos/ac%3Fme/w%23b')
  for (const path of ['acme', 'acme/', '/web', 'acme/web/more', '../web', 'acme/..', './.'])
    expect(() => repositoryByPath(path)).toThrow('is no path of a repository')
})
