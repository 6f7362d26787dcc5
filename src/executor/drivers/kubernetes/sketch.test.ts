import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, expectTypeOf, test } from 'vitest'
import type { Driver, PodContainer, PodSpec } from '../../driver.ts'
import type { HelperTransport } from '../../helper/transport.ts'
import { type KubernetesApi, kubernetesTransport, type PodManifest, podManifest } from './sketch.ts'

const container: PodContainer = {
  image: 'golang:1.26',
  environment: { PRICE: '$(HOME) 5$' },
  user: '',
  privileged: false,
  entrypoint: [],
  volumes: [{ path: '/cache', tmpfs: { sizeBytes: 1_048_576 } }],
}
const service: PodContainer = { ...container, image: 'postgres', user: '70:71', privileged: true, volumes: [] }
const spec: PodSpec = {
  id: 'task-1',
  arch: 'arm64',
  containers: [container, service],
  user: 'builder',
  registryAuth: {},
  pull: 'always',
}
const manifest = podManifest(spec, { ownerId: 'me', initImage: 'busybox' })

test('the interface of drivers fits a cluster', () => {
  expectTypeOf(kubernetesTransport).returns.toEqualTypeOf<HelperTransport>()
  expectTypeOf(podManifest).parameter(0).toEqualTypeOf<Parameters<Driver['createPod']>[0]>()
  expectTypeOf<KubernetesApi['createPod']>().parameter(0).toEqualTypeOf<PodManifest>()
})

test('a request is one exec of the helper in the main container, its two streams the connection', async () => {
  const execs: unknown[] = []
  const socket = { send: async () => {}, output: (async function* () {})(), close: () => {} }
  const exec = async (...call: unknown[]) => {
    execs.push(call.slice(0, 3))
    return socket
  }
  const api = { exec } as unknown as KubernetesApi
  expect(await kubernetesTransport(api, 'task-1').open(new AbortController().signal)).toBe(socket)
  expect(execs).toEqual([['slipway-task-1', 'main', ['/.slipway/bin/slipway-pod', 'request']]])
})

test('the pod has its labels, architecture and no claim on the cluster', () => {
  expect(manifest.metadata).toEqual({
    name: 'slipway-task-1',
    labels: { 'dev.slipway/owner': 'me', 'dev.slipway/pod': 'task-1' },
  })
  expect(manifest.spec).toMatchObject({
    nodeSelector: { 'kubernetes.io/arch': 'arm64' },
    restartPolicy: 'Never',
    automountServiceAccountToken: false,
  })
})

test('the helper comes by an empty directory that only the main container has, read-only', () => {
  const [main, second] = manifest.spec.containers
  expect(main).toMatchObject({
    command: ['/.slipway/bin/slipway-pod', 'init'],
    volumeMounts: [
      { name: 'helper', mountPath: '/.slipway/bin', readOnly: true },
      { name: 'tmpfs-0-0', mountPath: '/cache' },
    ],
  })
  expect(second?.volumeMounts).toEqual([])
  expect(second?.command).toBeUndefined()
  expect(manifest.spec.volumes[1]).toEqual({ name: 'tmpfs-0-0', emptyDir: { medium: 'Memory', sizeLimit: '1048576' } })
})

test('users are numbers, privileged is per container, values are not expanded by the cluster', () => {
  const [main, second] = manifest.spec.containers
  expect(main?.securityContext).toEqual({ privileged: false, runAsUser: 0 })
  expect(second?.securityContext).toEqual({ privileged: true, runAsUser: 70, runAsGroup: 71 })
  expect(main?.env).toEqual([{ name: 'PRICE', value: '$$(HOME) 5$' }])
})

test('nothing that runs imports the sketch', () => {
  const source = resolve(import.meta.dirname, '../../..')
  const importers = readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .filter((file) => /from '[^']*kubernetes\//.test(readFileSync(join(source, file), 'utf8')))
  expect(importers).toEqual([])
})
