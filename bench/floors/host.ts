// The bare work of one task in a sandbox: bubblewrap with the namespaces and mounts such a sandbox needs, and `echo`. It
// keeps nothing, limits nothing, records nothing, and the command ends with it.

import { spawn } from 'node:child_process'

const args = [
  ...['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
  ...['--uid', '1000', '--gid', '1000', '--new-session', '--cap-drop', 'ALL', '--clearenv'],
  ...['--ro-bind', '/usr', '/usr', '--ro-bind', '/etc', '/etc', '--ro-bind', '/opt', '/opt'],
  ...['--symlink', 'usr/bin', '/bin', '--symlink', 'usr/lib', '/lib', '--symlink', 'usr/lib64', '/lib64'],
  ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--tmpfs', '/home'],
  ...['/bin/sh', '-c', 'echo hello'],
]

/** Milliseconds of one. */
export async function bubblewrapEcho(): Promise<number> {
  const begin = performance.now()
  const child = spawn('bwrap', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  for await (const chunk of child.stdout) output += String(chunk)
  if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve))
  if (output !== 'hello\n') throw new Error(`the sandbox printed ${JSON.stringify(output)}`)
  return performance.now() - begin
}

/** Milliseconds of `count` one after another. */
export async function bubblewrapEchoes(count: number): Promise<number> {
  const begin = performance.now()
  for (let i = 0; i < count; i++) await bubblewrapEcho()
  return performance.now() - begin
}
