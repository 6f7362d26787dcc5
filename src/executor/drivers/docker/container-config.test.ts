import { expect, test } from 'vitest'
import type { PodContainer, PodSpec } from '../../driver.ts'
import { containerConfig, containerName, stepUser } from './container-config.ts'
import type { Image } from './image-store.ts'

const image: Image = { id: 'sha256:1', reference: 'app', arch: 'amd64', user: 'builder', environment: [] }
const container: PodContainer = {
  image: 'app',
  environment: {},
  user: '',
  privileged: false,
  entrypoint: [],
  volumes: [],
}
const spec: PodSpec = {
  id: 'task-1',
  containers: [container, { ...container, user: 'postgres' }],
  user: '',
  registryAuth: {},
  pull: 'never',
}

type Config = {
  readonly User?: string
  readonly Entrypoint?: readonly string[]
  readonly Cmd?: readonly string[]
  readonly Tty?: boolean
  readonly Env: readonly string[]
  readonly Labels: Readonly<Record<string, string>>
  readonly HostConfig: Readonly<Record<string, unknown>>
}

const configOf = (index: number, main: Partial<PodContainer> = {}, options: { network?: string; user?: string } = {}) =>
  containerConfig({
    ownerId: 'me',
    spec: {
      ...spec,
      user: options.user ?? '',
      containers: [{ ...container, ...main }, ...spec.containers.slice(1)],
    },
    index,
    image,
    network: options.network ?? '',
    helperVolume: 'slipway-helper-1',
    memoryBytes: undefined,
  }) as Config

test('the main container runs the helper as root, from a read-only volume that only it has', () => {
  expect(configOf(0)).toMatchObject({ Entrypoint: ['/.slipway/bin/slipway-pod', 'init', '--line'], Cmd: [], User: '0' })
  expect(configOf(0).HostConfig).toMatchObject({
    NetworkMode: 'default',
    Mounts: [{ Type: 'volume', Source: 'slipway-helper-1', Target: '/.slipway/bin', ReadOnly: true }],
  })
  expect(configOf(1).HostConfig).toMatchObject({ Mounts: [] })
})

test('a service keeps its image’s program, has its own user and is in the main container’s network', () => {
  const config = configOf(1, {}, { network: 'ci' })
  expect(config.Entrypoint).toBeUndefined()
  expect(config.Cmd).toBeUndefined()
  expect(config).toMatchObject({ User: 'postgres', HostConfig: { NetworkMode: 'container:slipway-task-1-0' } })
  expect(configOf(0, {}, { network: 'ci' }).HostConfig).toMatchObject({ NetworkMode: 'ci' })
})

test('an entrypoint replaces the helper, its words unchanged and without the image’s arguments', () => {
  expect(configOf(0, { entrypoint: ['a', '', 'b c'] })).toMatchObject({
    Entrypoint: ['a', '', 'b c'],
    Cmd: [],
    Tty: true,
  })
  expect(configOf(0, { entrypoint: ['a'] }).User).toBeUndefined()
})

test('privileged is passed on for the container that asks for it', () => {
  expect(configOf(0, { privileged: true }).HostConfig).toMatchObject({ Privileged: true })
  expect(configOf(1, { privileged: true }).HostConfig).toMatchObject({ Privileged: false })
})

test('labels say whose it is, which pod, which container of how many', () => {
  expect(configOf(1).Labels).toEqual({
    'dev.slipway.owner': 'me',
    'dev.slipway.pod': 'task-1',
    'dev.slipway.container-index': '1',
    'dev.slipway.containers': '2',
    'dev.slipway.image': 'app',
  })
  expect(configOf(0).Labels).toMatchObject({ 'dev.slipway.user': 'builder' })
})

test('the environment of a container is its own only: the engine adds the image’s', () => {
  expect(configOf(0, { environment: { A: 'b=c', EMPTY: '' } }).Env).toEqual(['A=b=c', 'EMPTY='])
})

test('a user of the task goes before the image’s', () => {
  expect(stepUser(spec, image)).toBe('builder')
  expect(stepUser({ ...spec, user: '1:2' }, image)).toBe('1:2')
})

test('an id that cannot be in a name is a bug of ours', () => {
  expect(() => containerName('a/b', 0)).toThrow('cannot be in a container')
})
