// The command line of bubblewrap for one task. Pure: what the machine has was looked at before (host-view.ts).
//
// The user namespace is mapped by the executor itself (`--userns-block-fd`), for two reasons. As root it may map the
// task's own unprivileged uid beside root, which bubblewrap cannot; so the helper, first process of the sandbox, stays
// root of that namespace and keeps its spool out of the steps' reach. And until the map is written bubblewrap cannot make a
// single directory: an executor killed before it recorded the process leaves nothing that runs.
//
// There is no `--die-with-parent`: steps outlive the executor. Killing the first process ends the pid namespace.

/** What of the machine is shown in every sandbox. */
export type HostView = {
  /** Existing directories or files, shown read-only under the same path. */
  readonly readOnlyPaths: readonly string[]
  /** Symlinks of the root directory (`/bin` to `usr/bin`), made again as such. */
  readonly symlinks: readonly { readonly path: string; readonly target: string }[]
  /** Existing files below a shown path that read as empty. */
  readonly hiddenFiles: readonly string[]
  /** Existing directories below a shown path that are empty. */
  readonly hiddenDirs: readonly string[]
}

export type SandboxPaths = {
  /** On disk, owned by the task's user: becomes the home directory. */
  readonly homeDir: string
  /** On disk: becomes /tmp, so that large temporary files do not count as memory. */
  readonly temporaryDir: string
  /** Generated user database with the sandbox's user. */
  readonly passwdFile: string
  readonly groupFile: string
  readonly helperFile: string
}

export type SandboxDescriptors = { readonly info: number; readonly userNamespaceReady: number }

/** The user that steps have inside of every sandbox, whatever their uid is outside. */
export const sandboxUser = { name: 'slipway', uid: 1000, gid: 1000, home: '/home/slipway' } as const

/** Where the helper is inside. */
export const helperPath = '/run/slipway/slipway-pod'

const sharedMemoryBytes = 1024 * 1024 * 1024

// What the helper needs to become the step's user, to hand it its script and terminal, and to kill its processes. They
// count only for what the user namespace maps: itself and the task's uid.
const helperCapabilities = ['CAP_SETUID', 'CAP_SETGID', 'CAP_KILL', 'CAP_CHOWN', 'CAP_FOWNER', 'CAP_DAC_OVERRIDE']

/** Arguments after `bwrap`: namespaces, mounts, and `command` as first process. `asRoot`: the helper becomes the user. */
export function sandboxArguments(input: {
  readonly view: HostView
  readonly paths: SandboxPaths
  readonly descriptors: SandboxDescriptors
  readonly asRoot: boolean
  /** Memory file systems of the main container's `volumes`. */
  readonly volumes: readonly { readonly path: string; readonly sizeBytes: number }[]
  readonly command: readonly string[]
}): readonly string[] {
  const { view, paths, descriptors } = input
  return [
    ...['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    ...['--hostname', 'slipway', '--as-pid-1', '--new-session'],
    ...['--info-fd', String(descriptors.info), '--userns-block-fd', String(descriptors.userNamespaceReady)],
    ...[
      '--clearenv',
      '--cap-drop',
      'ALL',
      ...(input.asRoot ? helperCapabilities.flatMap((name) => ['--cap-add', name]) : []),
    ],
    ...view.symlinks.flatMap(({ path, target }) => ['--symlink', target, path]),
    ...parents(sandboxUser.home),
    ...['--bind', paths.homeDir, sandboxUser.home],
    ...['--bind', paths.temporaryDir, '/tmp', ...directory('/var'), '--bind', paths.temporaryDir, '/var/tmp'],
    ...['--symlink', '/run', '/var/run'],
    // Parents come before what is below them, so that a mount never covers an earlier one.
    ...[...view.readOnlyPaths].sort().flatMap((path) => [...parents(path), '--ro-bind', path, path]),
    ...['--ro-bind', paths.passwdFile, '/etc/passwd', '--ro-bind', paths.groupFile, '/etc/group'],
    ...view.hiddenFiles.flatMap((path) => ['--ro-bind', '/dev/null', path]),
    ...view.hiddenDirs.flatMap((path) => ['--perms', '0555', '--size', '4096', '--tmpfs', path, '--remount-ro', path]),
    ...['--proc', '/proc'],
    ...['--dev', '/dev', '--perms', '1777', '--size', String(sharedMemoryBytes), '--tmpfs', '/dev/shm'],
    ...['--remount-ro', '/dev'],
    ...parents(helperPath),
    ...['--ro-bind', paths.helperFile, helperPath],
    ...input.volumes.flatMap(({ path, sizeBytes }) => [
      ...parents(path),
      ...['--perms', '1777', '--size', String(sizeBytes), '--tmpfs', path],
    ]),
    // Last, as nothing can be made in a read-only root: without it a user could fill the memory behind it.
    ...['--remount-ro', '/'],
    ...['--chdir', sandboxUser.home],
    '--',
    ...input.command,
  ]
}

/** Without explicit permissions bubblewrap makes missing parents as 0700 when it runs as root. Those that exist stay. */
function parents(path: string): readonly string[] {
  const words = path.split('/').slice(1, -1)
  return words.flatMap((_, index) => directory(`/${words.slice(0, index + 1).join('/')}`))
}

const directory = (path: string) => ['--perms', '0755', '--dir', path]

/** Environment of every step before the main container's is added. */
export const sandboxEnvironment = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: sandboxUser.home,
  USER: sandboxUser.name,
  LOGNAME: sandboxUser.name,
  SHELL: '/bin/sh',
  LANG: 'C.UTF-8',
  TMPDIR: '/tmp',
} as const
