import { expect, test } from 'vitest'
import { type HostView, sandboxArguments } from './sandbox-arguments.ts'

const view: HostView = {
  readOnlyPaths: ['/usr', '/opt', '/etc', '/srv/tools'],
  symlinks: [{ path: '/bin', target: 'usr/bin' }],
  hiddenFiles: ['/etc/shadow'],
  hiddenDirs: ['/opt/slipway/data'],
}

const paths = {
  homeDir: '/data/pods/1/home',
  temporaryDir: '/data/pods/1/tmp',
  passwdFile: '/data/host/passwd',
  groupFile: '/data/host/group',
  helperFile: '/data/host/helper',
}

function argumentsFor(changes: Partial<Parameters<typeof sandboxArguments>[0]> = {}): readonly string[] {
  const descriptors = { info: 3, userNamespaceReady: 4 }
  return sandboxArguments({ view, paths, descriptors, asRoot: true, volumes: [], command: ['/x'], ...changes })
}

/** Place of `words` standing next to each other, -1 when they do not. */
function placeOf(args: readonly string[], ...words: readonly string[]): number {
  return args.findIndex((_, index) => words.every((word, offset) => args[index + offset] === word))
}

test.each([
  ['a user namespace', ['--unshare-user']],
  ['a pid namespace whose first process is the helper', ['--as-pid-1']],
  ['an ipc namespace', ['--unshare-ipc']],
  ['a uts namespace', ['--unshare-uts']],
  ['a cgroup namespace', ['--unshare-cgroup-try']],
  ['a session of its own', ['--new-session']],
  ['no environment of the executor', ['--clearenv']],
  ['the system read-only', ['--ro-bind', '/usr', '/usr']],
  ['configured paths read-only', ['--ro-bind', '/srv/tools', '/srv/tools']],
  ['symlinks of the root directory as such', ['--symlink', 'usr/bin', '/bin']],
  ['hidden files as empty ones', ['--ro-bind', '/dev/null', '/etc/shadow']],
  ['a process list of its own', ['--proc', '/proc']],
  ['devices of its own', ['--dev', '/dev']],
  ['a home on disk', ['--bind', '/data/pods/1/home', '/home/slipway']],
  ['temporary files on disk', ['--bind', '/data/pods/1/tmp', '/tmp']],
  ['its own user database', ['--ro-bind', '/data/host/passwd', '/etc/passwd']],
  ['parents that everybody may enter', ['--perms', '0755', '--dir', '/srv']],
])('a sandbox has %s', (_, words) => {
  expect(placeOf(argumentsFor(), ...words)).toBeGreaterThanOrEqual(0)
})

test('a sandbox does not end with the executor and shares only the network', () => {
  const args = argumentsFor()
  expect(args).not.toContain('--die-with-parent')
  expect(args.filter((arg) => arg.startsWith('--unshare'))).not.toContain('--unshare-net')
})

test('only what is bound writable can be written', () => {
  const args = argumentsFor()
  const writable = args.filter((_, index) => args[index - 2] === '--bind')
  expect(writable).toEqual(['/home/slipway', '/tmp', '/var/tmp'])
  expect(placeOf(args, '--remount-ro', '/')).toBeGreaterThan(args.lastIndexOf('--bind'))
  expect(placeOf(args, '--remount-ro', '/dev')).toBeGreaterThan(0)
})

test('what hides something comes after what shows it', () => {
  const args = argumentsFor()
  expect(placeOf(args, '--ro-bind', '/dev/null', '/etc/shadow')).toBeGreaterThan(
    placeOf(args, '--ro-bind', '/etc', '/etc'),
  )
  expect(placeOf(args, '--tmpfs', '/opt/slipway/data')).toBeGreaterThan(placeOf(args, '--ro-bind', '/opt', '/opt'))
})

test('all capabilities are dropped; as root the helper gets back what it needs to become the user', () => {
  expect(placeOf(argumentsFor({ asRoot: false }), '--cap-drop', 'ALL')).toBeGreaterThan(0)
  expect(argumentsFor({ asRoot: false })).not.toContain('--cap-add')
  const kept = argumentsFor().filter((_, index, args) => args[index - 1] === '--cap-add')
  expect(kept).toContain('CAP_SETUID')
  for (const name of ['CAP_SYS_ADMIN', 'CAP_SYS_PTRACE', 'CAP_NET_ADMIN', 'CAP_SYS_RESOURCE'])
    expect(kept).not.toContain(name)
})

test('volumes are memory file systems of their size', () => {
  const args = argumentsFor({ volumes: [{ path: '/mnt/ram', sizeBytes: 1024 }] })
  expect(placeOf(args, '--perms', '0755', '--dir', '/mnt')).toBeGreaterThan(0)
  expect(placeOf(args, '--perms', '1777', '--size', '1024', '--tmpfs', '/mnt/ram')).toBeGreaterThan(0)
})

test('the command comes last', () => {
  expect(argumentsFor({ command: ['/helper', '--dir-fd', '5'] }).slice(-4)).toEqual(['--', '/helper', '--dir-fd', '5'])
})
