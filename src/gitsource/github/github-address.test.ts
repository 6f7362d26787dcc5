import { expect, test } from 'vitest'
import { githubAddress, repositoryById } from './github-address.ts'

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

test('a repository has an address by its id, escaped', () => {
  expect(repositoryById('42')).toBe('/repositories/42')
  expect(repositoryById('4/2')).toBe('/repositories/4%2F2')
})
