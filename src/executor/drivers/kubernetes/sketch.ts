// How pods of a cluster will fit `Driver`: types and the pure mapping, no implementation, and nothing imports it but its test.
// It shows that no part of the interface needs what a cluster lacks:
//
// - No shared disk: the helper gets into the pod through an exec into an init container, which waits for it on an emptyDir.
// - A step is one exec by WebSocket (subprotocol v5.channel.k8s.io, channels 0 stdin, 1 stdout, 3 error), which gives the
//   two byte streams of a HelperConnection. Nothing needs stdin to be half-closed.
// - The cluster pulls images; credentials travel in a secret of the pod's name. A pull that fails shows as a waiting
//   container with the reason ErrImagePull, which is the `image_pull` of `createPod`.
// - Listing and clean-up go by labels, architectures come from the nodes.

import type { PodId, PodSpec } from '../../driver.ts'
import type { HelperConnection, HelperTransport } from '../../helper/transport.ts'

const helperPath = '/.slipway/bin/slipway-pod'
const labels = { owner: 'dev.slipway/owner', pod: 'dev.slipway/pod' } as const

/** The calls of a cluster's API that the driver will make, all within one namespace. */
export interface KubernetesApi {
  createSecret(manifest: SecretManifest, signal: AbortSignal): Promise<void>
  createPod(manifest: PodManifest, signal: AbortSignal): Promise<void>
  /** Changes of one pod, from its creation on. */
  watchPod(name: string, signal: AbortSignal): AsyncIterable<PodStatus>
  listPods(labelSelector: string, signal: AbortSignal): Promise<readonly { readonly labels: Labels }[]>
  /** Pod and secret, without grace; what is not there is fine. */
  delete(name: string, signal: AbortSignal): Promise<void>
  /** Architectures of all nodes. */
  nodeArchs(signal: AbortSignal): Promise<readonly string[]>
  exec(name: string, container: string, command: readonly string[], signal: AbortSignal): Promise<ExecSocket>
}

/** One exec: `send` writes to channel 0, `output` is channel 1. */
export interface ExecSocket {
  send(bytes: Uint8Array): Promise<void>
  readonly output: AsyncIterable<Uint8Array>
  close(): void
}

export type PodStatus =
  | { readonly phase: 'waiting'; readonly reason: string; readonly message: string }
  | { readonly phase: 'helper_wanted' | 'running' }
  | { readonly phase: 'ended'; readonly outOfMemory: boolean }

type Labels = Readonly<Record<string, string>>

export type PodManifest = {
  readonly apiVersion: 'v1'
  readonly kind: 'Pod'
  readonly metadata: { readonly name: string; readonly labels: Labels }
  readonly spec: {
    readonly restartPolicy: 'Never'
    readonly automountServiceAccountToken: false
    readonly imagePullSecrets: readonly { readonly name: string }[]
    readonly nodeSelector?: Labels
    readonly volumes: readonly VolumeManifest[]
    readonly initContainers: readonly ContainerManifest[]
    readonly containers: readonly ContainerManifest[]
  }
}

export type VolumeManifest = {
  readonly name: string
  readonly emptyDir: { readonly medium?: 'Memory'; readonly sizeLimit?: string }
}

export type ContainerManifest = {
  readonly name: string
  readonly image: string
  readonly imagePullPolicy: 'IfNotPresent' | 'Always' | 'Never'
  readonly command?: readonly string[]
  readonly env: readonly { readonly name: string; readonly value: string }[]
  readonly securityContext: { readonly privileged: boolean; readonly runAsUser?: number; readonly runAsGroup?: number }
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[]
}

export type SecretManifest = {
  readonly apiVersion: 'v1'
  readonly kind: 'Secret'
  readonly metadata: { readonly name: string; readonly labels: Labels }
  readonly type: 'kubernetes.io/dockerconfigjson'
  readonly stringData: { readonly '.dockerconfigjson': string }
}

export type ManifestOptions = {
  readonly ownerId: string
  /** Has `/bin/sh`; receives the helper before the other containers start. */
  readonly initImage: string
}

/** Name of pod and secret. */
export const podName = (id: PodId) => `slipway-${id}`

/** Connections to the helper in a pod: one exec each, as the docker driver has them. */
export function kubernetesTransport(api: KubernetesApi, id: PodId): HelperTransport {
  return {
    open: async (signal): Promise<HelperConnection> =>
      await api.exec(podName(id), 'main', [helperPath, 'request'], signal),
  }
}

/** The manifest of a pod. Pure. */
export function podManifest(spec: PodSpec, { ownerId, initImage }: ManifestOptions): PodManifest {
  const pullPolicy = { if_missing: 'IfNotPresent', always: 'Always', never: 'Never' } as const
  const volumeName = (container: number, volume: number) => `tmpfs-${container}-${volume}`
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: podName(spec.id), labels: { [labels.owner]: ownerId, [labels.pod]: spec.id } },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      imagePullSecrets: [{ name: podName(spec.id) }],
      ...(spec.arch === undefined ? {} : { nodeSelector: { 'kubernetes.io/arch': spec.arch } }),
      volumes: [
        { name: 'helper', emptyDir: {} },
        ...spec.containers.flatMap((container, i) =>
          container.volumes.map(({ tmpfs }, j) => ({
            name: volumeName(i, j),
            emptyDir: {
              medium: 'Memory' as const,
              ...(tmpfs.sizeBytes > 0 ? { sizeLimit: `${tmpfs.sizeBytes}` } : {}),
            },
          })),
        ),
      ],
      initContainers: [
        {
          name: 'helper',
          image: initImage,
          imagePullPolicy: 'IfNotPresent',
          command: ['/bin/sh', '-c', `until [ -x ${helperPath} ]; do sleep 0.1; done`],
          env: [],
          securityContext: { privileged: false },
          volumeMounts: [{ name: 'helper', mountPath: '/.slipway/bin' }],
        },
      ],
      containers: spec.containers.map((container, i) => {
        const command = container.entrypoint.length > 0 || i > 0 ? container.entrypoint : [helperPath, 'init']
        return {
          name: i === 0 ? 'main' : `service-${i}`,
          image: container.image,
          imagePullPolicy: pullPolicy[spec.pull],
          ...(command.length === 0 ? {} : { command: command.map(literal) }),
          env: Object.entries(container.environment).map(([name, value]) => ({ name, value: literal(value) })),
          securityContext: { privileged: container.privileged, ...runAs(i === 0 ? '0' : container.user) },
          volumeMounts: [
            ...(i === 0 ? [{ name: 'helper', mountPath: '/.slipway/bin', readOnly: true }] : []),
            ...container.volumes.map(({ path }, j) => ({ name: volumeName(i, j), mountPath: path })),
          ],
        }
      }),
    },
  }
}

/** Clusters expand `$(NAME)` in values and commands; a doubled dollar sign is one that stays. */
const literal = (text: string) => text.replaceAll('$(', '$$$$(')

/** Clusters know users by number only; names are for the helper, or an error of `createPod`. */
function runAs(user: string): { readonly runAsUser?: number; readonly runAsGroup?: number } {
  const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(user) ?? []
  return {
    ...(uid === undefined ? {} : { runAsUser: Number(uid) }),
    ...(gid === undefined ? {} : { runAsGroup: Number(gid) }),
  }
}
