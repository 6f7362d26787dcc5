import { expect, test } from 'vitest'
import { githubAddress, repositoryById, repositoryByPath } from './github-address.ts'

test.each([
  ['https://api.github.com', 'https://api.github.com', 'https://github.com'],
  ['https://api.github.com/', 'https://api.github.com', 'https://github.com'],
  ['https://API.GitHub.com//', 'https://api.github.com', 'https://github.com'],
  ['https://github.com', 'https://api.github.com', 'https://github.com'],
  ['https://github.com/api/v3', 'https://api.github.com', 'https://github.com'],
  ['https://api.acme.ghe.com/', 'https://api.acme.ghe.com', 'https://acme.ghe.com'],
  ['https://acme.ghe.com', 'https://api.acme.ghe.com', 'https://acme.ghe.com'],
  ['https://git.example.com', 'https://git.example.com/api/v3', 'https://git.example.com'],
  ['https://git.example.com/', 'https://git.example.com/api/v3', 'https://git.example.com'],
  ['https://git.example.com/api/v3', 'https://git.example.com/api/v3', 'https://git.example.com'],
  ['https://git.example.com/api/v3/', 'https://git.example.com/api/v3', 'https://git.example.com'],
  ['https://git.example.com/api/', 'https://git.example.com/api/v3', 'https://git.example.com'],
  [
    'http://git.example.com:8080/github/',
    'http://git.example.com:8080/github/api/v3',
    'http://git.example.com:8080/github',
  ],
  ['https://github.com.example.org', 'https://github.com.example.org/api/v3', 'https://github.com.example.org'],
  ['https://git.example.com/?a=b#c', 'https://git.example.com/api/v3', 'https://git.example.com'],
])('%s has its API at %s and its pages at %s', (given, apiUrl, webUrl) => {
  expect(githubAddress(given)).toEqual({ apiUrl, webUrl })
})

test('a path of a repository is OWNER/NAME, escaped', () => {
  expect(repositoryByPath('acme/web.js')).toBe('/repos/acme/web.js')
  expect(repositoryByPath('ac?me/w#b')).toBe('/repos/ac%3Fme/w%23b')
  expect(repositoryById('42')).toBe('/repositories/42')
  for (const path of ['acme', 'acme/', '/web', 'acme/web/more', '../web', 'acme/..', './.'])
    expect(() => repositoryByPath(path)).toThrow('is no path of a repository')
})
