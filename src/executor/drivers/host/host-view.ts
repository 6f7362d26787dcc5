// Looks at the machine once, for what of it every sandbox shows and what is hidden below that.

import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { SlipwayError } from '../../../lib/errors.ts'
import { type HostView, sandboxUser } from './sandbox-arguments.ts'

const shownPaths = ['/usr', '/bin', '/sbin', '/etc', '/opt']
const shownPrefixes = ['/lib']

// What root's tools may keep readable for a group of the executor's user, and where Slipway's own configuration is.
const hiddenPaths = [
  '/etc/shadow',
  '/etc/shadow-',
  '/etc/gshadow',
  '/etc/gshadow-',
  '/etc/sudoers',
  '/etc/sudoers.d',
  '/etc/security/opasswd',
  '/etc/ssl/private',
  '/etc/docker',
  '/etc/slipway',
]

// Places whose content would open the machine to a task: never shown, whatever is configured.
const neverShown = ['/', '/dev', '/proc', '/sys', '/run', '/var/run', '/root', '/home', '/tmp', '/var/lib']

export type HostViewOptions = {
  /** Shown beside the usual ones; must exist. */
  readonly readOnlyPaths: readonly string[]
  /** Hidden beside the usual ones: the data directory and whatever else is the executor's own. */
  readonly hiddenPaths: readonly string[]
}

/** Fails with `driver_unavailable` when a configured path is missing, relative or must not be shown. */
export function lookAtHost(options: HostViewOptions): HostView {
  for (const path of options.readOnlyPaths) checkConfigured(path)
  const usual = [
    ...shownPaths,
    ...rootEntries().filter((path) => shownPrefixes.some((prefix) => path.startsWith(prefix))),
  ]
  const symlinks: { path: string; target: string }[] = []
  const readOnlyPaths: string[] = []
  for (const path of usual) {
    const kind = kindOf(path)
    if (kind === 'symlink') symlinks.push({ path, target: readlinkSync(path) })
    else if (kind !== undefined) readOnlyPaths.push(path)
  }
  readOnlyPaths.push(...options.readOnlyPaths, ...resolverFile())
  const isShown = (path: string) => readOnlyPaths.some((shown) => path === shown || path.startsWith(`${shown}/`))
  const hidden = [...hiddenPaths, ...hostKeys(), ...options.hiddenPaths.map(realPath)].filter(isShown)
  return {
    readOnlyPaths,
    symlinks,
    hiddenFiles: hidden.filter((path) => kindOf(path) === 'file'),
    hiddenDirs: hidden.filter((path) => kindOf(path) === 'directory'),
  }
}

/** Changes when a path of the view has got another file or directory: sandboxes made before show the old one. */
export function identityOfView({ readOnlyPaths, hiddenFiles, hiddenDirs }: HostView): string {
  const identities = [...readOnlyPaths, ...hiddenFiles, ...hiddenDirs].map((path) => {
    const file = statSync(path, { throwIfNoEntry: false })
    return file === undefined ? '' : `${file.dev}:${file.ino}`
  })
  return identities.join(' ')
}

/** The machine's user database with the sandbox's user in place of whoever has that name or uid. */
export function passwdText(original: string): string {
  const { name, uid, gid, home } = sandboxUser
  return `${withoutEntry(original, name, uid)}${name}:x:${uid}:${gid}:Slipway:${home}:/bin/sh\n`
}

export function groupText(original: string): string {
  return `${withoutEntry(original, sandboxUser.name, sandboxUser.gid)}${sandboxUser.name}:x:${sandboxUser.gid}:\n`
}

/** Text of a file of the machine, empty when there is none: `/etc/passwd` may be missing in small images. */
export function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function withoutEntry(text: string, name: string, id: number): string {
  return text
    .split('\n')
    .filter((line) => line !== '' && line.split(':')[0] !== name && line.split(':')[2] !== String(id))
    .map((line) => `${line}\n`)
    .join('')
}

function checkConfigured(path: string): void {
  if (!isAbsolute(path) || neverShown.includes(path.replace(/\/+$/, '') || '/'))
    throw new SlipwayError('driver_unavailable', `host driver: the path ${path} cannot be shown in a sandbox`)
  if (kindOf(path) === undefined)
    throw new SlipwayError('driver_unavailable', `host driver: the configured read-only path ${path} does not exist`)
}

/** Name resolution often leads to a file below /run, which is not shown. */
function resolverFile(): readonly string[] {
  const path = '/etc/resolv.conf'
  if (kindOf(path) !== 'symlink') return []
  const target = realPath(path)
  return target === path || dirname(target) === '/etc' ? [] : [target]
}

function hostKeys(): readonly string[] {
  try {
    return readdirSync('/etc/ssh')
      .filter((name) => /^ssh_host_.*_key$/.test(name))
      .map((name) => join('/etc/ssh', name))
  } catch {
    return []
  }
}

const rootEntries = (): readonly string[] => readdirSync('/').map((name) => `/${name}`)

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

function kindOf(path: string): 'file' | 'directory' | 'symlink' | undefined {
  const entry = lstatSync(path, { throwIfNoEntry: false })
  if (entry === undefined) return undefined
  if (entry.isSymbolicLink()) return statSync(path, { throwIfNoEntry: false }) === undefined ? undefined : 'symlink'
  return entry.isDirectory() ? 'directory' : 'file'
}
