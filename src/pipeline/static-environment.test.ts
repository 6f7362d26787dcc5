import { expect, test } from 'vitest'
import { anEvent } from './run-config-fixture.ts'
import { staticEnvironment } from './static-environment.ts'

const agolaOf = (environment: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('SLIPWAY_')))

test('a push to a branch of a project', () => {
  const environment = staticEnvironment({
    event: anEvent({ branch: 'feature/login', ref: 'refs/heads/feature/login' }),
    cloneUrl: 'ssh://git@git.example.org:2222/org/app.git',
    trust: 'trusted',
    sshPrivateKey: { secret: 'deploy-key' },
    skipSshHostKeyCheck: true,
  })
  expect(agolaOf(environment)).toEqual({
    CI: 'true',
    AGOLA_SSHPRIVKEY: { secret: 'deploy-key' },
    AGOLA_REPOSITORY_URL: 'ssh://git@git.example.org:2222/org/app.git',
    AGOLA_GIT_HOST: 'git.example.org',
    AGOLA_GIT_PORT: '2222',
    AGOLA_GIT_BRANCH: 'feature/login',
    AGOLA_GIT_TAG: '',
    AGOLA_PULL_REQUEST_ID: '',
    AGOLA_GIT_REF_TYPE: 'branch',
    AGOLA_GIT_REF: 'refs/heads/feature/login',
    AGOLA_GIT_COMMITSHA: '9f1c',
    AGOLA_SKIPSSHHOSTKEYCHECK: '1',
  })
})

test('a direct run of a tag has no key, and a pull request no branch', () => {
  const cloneUrl = 'http://agola.example.org:8000/repos/U1/R1.git'
  const tag = anEvent({ refType: 'tag', branch: '', tag: 'v0.1.0', ref: 'refs/tags/v0.1.0' })
  expect(staticEnvironment({ event: tag, cloneUrl, trust: 'trusted' })).toMatchObject({
    AGOLA_SSHPRIVKEY: '',
    AGOLA_GIT_HOST: 'agola.example.org',
    AGOLA_GIT_PORT: '8000',
    AGOLA_GIT_TAG: 'v0.1.0',
    AGOLA_GIT_REF: 'refs/tags/v0.1.0',
  })
  const pullRequest = anEvent({ refType: 'pull_request', branch: '', pullRequestId: '7', ref: 'refs/pull/7/head' })
  expect(staticEnvironment({ event: pullRequest, cloneUrl, trust: 'trusted' })).toMatchObject({
    AGOLA_GIT_BRANCH: '',
    AGOLA_PULL_REQUEST_ID: '7',
    AGOLA_GIT_REF_TYPE: 'pull_request',
  })
})

test('a URL without a port has port 22, and the host key is there when known', () => {
  const environment = staticEnvironment({
    event: anEvent(),
    cloneUrl: 'git@git.example.org:org/app.git',
    trust: 'trusted',
    sshHostKey: 'git.example.org ssh-ed25519 AAAA',
  })
  expect(environment).toMatchObject({ AGOLA_GIT_PORT: '22', AGOLA_SSHHOSTKEY: 'git.example.org ssh-ed25519 AAAA' })
  expect(environment).not.toHaveProperty('AGOLA_SKIPSSHHOSTKEYCHECK')
})

test('a run of a fork never gets the private key', () => {
  const environment = staticEnvironment({ event: anEvent(), cloneUrl: 'x', trust: 'fork', sshPrivateKey: 'KEY' })
  expect(Object.values(environment)).not.toContain('KEY')
  expect(environment).toMatchObject({ AGOLA_SSHPRIVKEY: '', SLIPWAY_SSHPRIVKEY: '' })
})

test('every AGOLA_ variable exists as SLIPWAY_ with the same value', () => {
  const environment = staticEnvironment({
    event: anEvent(),
    cloneUrl: 'git@host:x',
    trust: 'trusted',
    sshPrivateKey: 'KEY',
    sshHostKey: 'k',
    skipSshHostKeyCheck: true,
  })
  const names = Object.keys(environment).filter((name) => name.startsWith('AGOLA_'))
  expect(names).toHaveLength(12)
  for (const name of names) expect(environment[name.replace('AGOLA_', 'SLIPWAY_')]).toBe(environment[name])
})
