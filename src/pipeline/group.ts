// The run group: the path under which runs are ordered and counted.

import type { GitEvent } from './event.ts'

/** Whose run it is; counters are per owner. */
export type RunOwner = { readonly type: 'project' | 'user'; readonly id: string }

/** `/project/ID/branch/NAME`, `/project/ID/tag/NAME`, `/project/ID/pr/NUMBER`; the name is one escaped segment. */
export function runGroup(owner: RunOwner, event: GitEvent): string {
  const base = `/${owner.type}/${escapeSegment(owner.id)}`
  switch (event.refType) {
    case 'branch':
      return join(`${base}/branch`, event.branch)
    case 'tag':
      return join(`${base}/tag`, event.tag)
    case 'pull_request':
      return join(`${base}/pr`, event.pullRequestId)
  }
}

/** Without a name (a detached head) the group is that of its kind, as the reference's path cleaning has it. */
function join(base: string, name: string): string {
  return name === '' ? base : `${base}/${escapeSegment(name)}`
}

/**
 * Escapes one segment of a path: letters, digits and `-_.~$&+=:@` stay, every other byte of the UTF-8 form becomes %XX.
 * A segment `.` or `..` would be cleaned away as part of a path and is escaped whole.
 */
export function escapeSegment(text: string): string {
  if (text === '.' || text === '..') return text.replaceAll('.', '%2E')
  let escaped = ''
  for (const byte of new TextEncoder().encode(text)) {
    const char = String.fromCharCode(byte)
    escaped += /[A-Za-z0-9\-_.~$&+=:@]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return escaped
}
