import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  credentialsOf,
  dockerConfig,
  findRegistryAuth,
  parseImageName,
  registryAuthHeader,
  registryAuthKeys,
} from './image-name.ts'

const digest = `sha256:${'0123456789abcdef'.repeat(4)}`

test.each([
  ['alpine', 'index.docker.io', 'library/alpine', 'latest'],
  ['alpine:3.20', 'index.docker.io', 'library/alpine', '3.20'],
  ['alpine:', 'index.docker.io', 'library/alpine', 'latest'],
  ['org/img', 'index.docker.io', 'org/img', 'latest'],
  ['org/img:v1', 'index.docker.io', 'org/img', 'v1'],
  ['org/a/b:v1', 'index.docker.io', 'org/a/b', 'v1'],
  ['docker.io/alpine', 'index.docker.io', 'library/alpine', 'latest'],
  ['docker.io/org/img', 'index.docker.io', 'org/img', 'latest'],
  ['docker.io/library/alpine:3', 'index.docker.io', 'library/alpine', '3'],
  ['index.docker.io/alpine', 'index.docker.io', 'library/alpine', 'latest'],
  ['registry-1.docker.io/org/img', 'registry-1.docker.io', 'org/img', 'latest'],
  ['quay.io/org/img', 'quay.io', 'org/img', 'latest'],
  ['quay.io/img', 'quay.io', 'img', 'latest'],
  ['quay.io/org/img:v1.2_3-4', 'quay.io', 'org/img', 'v1.2_3-4'],
  ['ghcr.io/a/b/c/d', 'ghcr.io', 'a/b/c/d', 'latest'],
  ['localhost:5000/img', 'localhost:5000', 'img', 'latest'],
  ['localhost:5000/img:v1', 'localhost:5000', 'img', 'v1'],
  ['localhost/img', 'index.docker.io', 'localhost/img', 'latest'], // no dot, no colon: no registry
  ['registry.example.org:443/org/img', 'registry.example.org:443', 'org/img', 'latest'],
  ['registry:5000/img', 'registry:5000', 'img', 'latest'],
  ['10.0.0.1/img', '10.0.0.1', 'img', 'latest'],
  ['10.0.0.1:5000/img:1', '10.0.0.1:5000', 'img', '1'],
  ['[::1]:5000/img', '[::1]:5000', 'img', 'latest'],
  ['Registry.Example.org/img', 'Registry.Example.org', 'img', 'latest'],
  ['node:22-alpine3.20', 'index.docker.io', 'library/node', '22-alpine3.20'],
  [`alpine@${digest}`, 'index.docker.io', 'library/alpine', digest],
  [`alpine:3@${digest}`, 'index.docker.io', 'library/alpine', digest],
  [`quay.io/org/img@${digest}`, 'quay.io', 'org/img', digest],
  [`localhost:5000/img@${digest}`, 'localhost:5000', 'img', digest],
  ['quay.io/a-b_c.d/e', 'quay.io', 'a-b_c.d/e', 'latest'],
  ['a.b/cc', 'a.b', 'cc', 'latest'],
  [`alpine:${'t'.repeat(128)}`, 'index.docker.io', 'library/alpine', 't'.repeat(128)],
] as const)('%s is from %s, repository %s, %s', (text, registry, repository, identifier) => {
  expect(parseImageName(text)).toMatchObject({ ok: true, value: { registry, repository, identifier } })
})

test('tag and digest are both kept, the digest identifies', () => {
  expect(parseImageName(`alpine:3@${digest}`)).toEqual({
    ok: true,
    value: { registry: 'index.docker.io', repository: 'library/alpine', tag: '3', digest, identifier: digest },
  })
})

test.each([
  ['', 'the repository is missing'],
  [':v1', 'the repository is missing'],
  [`@${digest}`, 'the repository is missing'],
  ['a', 'the repository must be 2 to 255 of the characters a-z 0-9 _ - . /'],
  ['Alpine', 'the repository must be 2 to 255 of the characters a-z 0-9 _ - . /'],
  ['org/Img', 'the repository must be 2 to 255 of the characters a-z 0-9 _ - . /'],
  ['quay.io/', 'the repository must be 2 to 255 of the characters a-z 0-9 _ - . /'],
  ['my image', 'the repository must be 2 to 255 of the characters a-z 0-9 _ - . /'],
  [' alpine', 'the repository must be 2 to 255 of the characters a-z 0-9 _ - . /'],
  ['alpine\n', 'the repository must be 2 to 255 of the characters a-z 0-9 _ - . /'],
  ['älpine', 'the repository must be 2 to 255 of the characters a-z 0-9 _ - . /'],
  ['x'.repeat(256), 'the repository must be 2 to 255 of the characters a-z 0-9 _ - . /'],
  ['alpine:a b', 'the tag must be 1 to 128 of the characters a-z A-Z 0-9 _ . -'],
  ['alpine:é', 'the tag must be 1 to 128 of the characters a-z A-Z 0-9 _ . -'],
  [`alpine:${'t'.repeat(129)}`, 'the tag must be 1 to 128 of the characters a-z A-Z 0-9 _ . -'],
  ['alpine@sha256:abc', 'the digest must be sha256: and 64 hexadecimal digits'],
  ['alpine@', 'the digest must be sha256: and 64 hexadecimal digits'],
  [`alpine@md5:${'0'.repeat(32)}`, 'the digest must be sha256: and 64 hexadecimal digits'],
  [`alpine@${digest.toUpperCase()}`, 'the digest must be sha256: and 64 hexadecimal digits'],
  [`alpine@${digest}@${digest}`, 'more than one @'],
  ['https://quay.io/img', 'the registry must be a host, with a port if needed'],
  ['user@host.org/img', 'the digest must be sha256: and 64 hexadecimal digits'],
  ['host:port/img', 'the registry must be a host, with a port if needed'],
  ['host name.org/img', 'the registry must be a host, with a port if needed'],
] as const)('%j is refused: %s', (text, what) => {
  expect(parseImageName(text)).toEqual({
    ok: false,
    message: `could not parse image name ${JSON.stringify(text)}: ${what}`,
  })
})

test.each([
  ['index.docker.io', { 'index.docker.io': 1 }, 1],
  ['index.docker.io', { 'https://index.docker.io/v1/': 1 }, 1],
  ['index.docker.io', { 'docker.io': 1 }, undefined],
  ['quay.io', { 'quay.io': 1, 'https://quay.io': 2 }, 1],
  ['quay.io', { 'https://quay.io': 1, 'http://quay.io': 2 }, 1],
  ['quay.io', { 'http://quay.io': 1, 'https://quay.io/v1/': 2 }, 1],
  ['quay.io', { 'https://quay.io/v1/': 1, 'http://quay.io/v1/': 2 }, 1],
  ['quay.io', { 'http://quay.io/v1/': 1, 'https://quay.io/v2/': 2 }, 1],
  ['quay.io', { 'https://quay.io/v2/': 1, 'http://quay.io/v2/': 2 }, 1],
  ['quay.io', { 'http://quay.io/v2/': 2 }, 2],
  ['quay.io', { 'https://quay.io/': 1, 'https://quay.io/v3/': 2, 'QUAY.IO': 3 }, undefined],
  ['localhost:5000', { localhost: 1 }, undefined],
  ['quay.io', {}, undefined],
  ['constructor', {}, undefined],
] as const)('credentials of %s in %j are %j', (registry, auths, expected) => {
  expect(findRegistryAuth(registry, auths as Record<string, number>)).toBe(expected)
  expect(registryAuthKeys(registry)).toHaveLength(7)
})

const base64 = (text: string) => Buffer.from(text).toString('base64')

test.each([
  ['u:p', 'u', 'p'],
  ['user:pass:with:colons', 'user', 'pass:with:colons'],
  [':token', '', 'token'],
  ['user:', 'user', ''],
  [':', '', ''],
  ['ü:ß', 'ü', 'ß'],
])('the encoded credentials %s are those of %j with %j', (text, username, password) => {
  expect(credentialsOf({ type: 'encodedauth', auth: base64(text) })).toEqual({
    ok: true,
    value: { username, password },
  })
})

test.each(['', 'dTpw=', 'dTp', 'dT-w', '%%%%', 'no colon', base64('nocolon'), 'dTpw dTpw'])(
  'the encoded credentials %j are refused, without repeating them',
  (auth) => {
    const result = credentialsOf({ type: 'encodedauth', auth })
    expect(result).toEqual({
      ok: false,
      message: 'failed to decode docker auth: it must be standard base64 of user:password',
    })
  },
)

test('an unknown type of credentials is refused by name', () => {
  expect(credentialsOf({ type: 'oauth', auth: '' } as never)).toEqual({
    ok: false,
    message: 'unsupported auth type "oauth"',
  })
  expect(credentialsOf({ type: 'basic', username: 'u', password: 'p' })).toEqual({
    ok: true,
    value: { username: 'u', password: 'p' },
  })
})

test('a docker config has the registry, anonymous ones too', () => {
  expect(dockerConfig('quay.io', { username: 'u', password: 'p' })).toEqual({
    auths: { 'quay.io': { username: 'u', password: 'p', auth: 'dTpw' } },
  })
  expect(dockerConfig('quay.io', undefined)).toEqual({ auths: { 'quay.io': { auth: 'Og==' } } })
})

test('the header for the engine is URL safe and says whose credentials they are', () => {
  fc.assert(
    fc.property(fc.string(), fc.string({ unit: 'grapheme-ascii' }), (username, password) => {
      const header = registryAuthHeader('quay.io', { username, password })
      expect(header).toMatch(/^[A-Za-z0-9_-]+=*$/)
      expect(JSON.parse(Buffer.from(header, 'base64url').toString('utf8'))).toEqual({
        username,
        password,
        serveraddress: 'quay.io',
      })
    }),
  )
})
