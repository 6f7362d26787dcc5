// From references to rows: an id or a name, an id or a path.

import { type ErrorCode, SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import type { HolderRef } from './api.ts'
import { isUuid } from './names.ts'
import type { Place, Tree } from './projects/tree.ts'
import type { ProjectRow, Reading } from './row-types.ts'
import type { Organization, RemoteSource, User } from './types.ts'

/** Longer ones cannot name anything. */
const pathCharactersMax = (limits.projectGroupDepth.value + 3) * (limits.configNameCharacters.value + 1)

export function getUser(tx: Reading, ref: string): User {
  const user = isUuid(ref)
    ? tx.get('user', ref)
    : tx.list('user', { index: 'byName', prefix: [ref], limit: 1 })[0]?.body
  if (user === undefined) throw notFound('user_not_found', 'user', ref)
  return user
}

export function getOrganization(tx: Reading, ref: string): Organization {
  const organization = isUuid(ref)
    ? tx.get('organization', ref)
    : tx.list('organization', { index: 'byName', prefix: [ref], limit: 1 })[0]?.body
  if (organization === undefined) throw notFound('organization_not_found', 'organization', ref)
  return organization
}

export function getRemoteSource(tx: Reading, ref: string): RemoteSource {
  const source = isUuid(ref)
    ? tx.get('remotesource', ref)
    : tx.list('remotesource', { index: 'byName', prefix: [ref], limit: 1 })[0]?.body
  if (source === undefined) throw notFound('remote_source_not_found', 'remote source', ref)
  return source
}

/** `code`: what to say when there is none. Errors: it, `ref_invalid`. */
export function getGroup(tree: Tree, ref: string, code: ErrorCode = 'project_group_not_found'): Place {
  const place = ref.includes('/') ? groupByPath(tree, pathOf(ref, 2)) : tree.placeOf(ref)
  if (place === undefined) throw notFound(code, 'project group', ref)
  return place
}

export type PlacedProject = { readonly row: ProjectRow; readonly place: Place }

/** Errors: `project_not_found`, `ref_invalid`. */
export function getProject(tree: Tree, ref: string): PlacedProject {
  const found = findProject(tree, ref)
  if (found === undefined) throw notFound('project_not_found', 'project', ref)
  return found
}

export type PlacedHolder = {
  readonly parent: { readonly type: HolderRef['type']; readonly id: string }
  readonly path: string
  /** Of the group itself, or of the one the project is in. */
  readonly place: Place
}

/** What secrets and variables hang on. */
export function getHolder(tree: Tree, { type, ref }: HolderRef): PlacedHolder {
  if (type === 'projectgroup') {
    const place = getGroup(tree, ref)
    return { parent: { type, id: place.group.id }, path: place.path, place }
  }
  const { row, place } = getProject(tree, ref)
  return { parent: { type, id: row.id }, path: `${place.path}/${row.name}`, place }
}

function findProject(tree: Tree, ref: string): PlacedProject | undefined {
  if (!ref.includes('/')) {
    const row = tree.tx.get('project', ref)
    const place = row && tree.placeOf(row.groupId)
    return place && { row, place }
  }
  const parts = pathOf(ref, 3)
  const place = groupByPath(tree, parts.slice(0, -1))
  const row = place && tree.childProject(place.group.id, parts.at(-1)!)
  return row && { row, place }
}

function groupByPath(tree: Tree, [kind, name, ...groups]: readonly string[]): Place | undefined {
  const type = kind === 'org' ? 'organization' : 'user'
  const [owner] = tree.tx.list(type, { index: 'byName', prefix: [name!], limit: 1 })
  let place = owner && tree.rootOf(owner.id)
  for (const group of groups) {
    const child = place && tree.childGroup(place.group.id, group)
    place = child && tree.placeOf(child.id)
  }
  return place
}

/** Nothing is cleaned away: a path with empty components, `.` or `..` is none. */
function pathOf(ref: string, partsMin: number): readonly string[] {
  const parts = ref.length <= pathCharactersMax ? ref.split('/') : []
  const isPath =
    parts.length >= partsMin &&
    (parts[0] === 'org' || parts[0] === 'user') &&
    parts.every((part) => part !== '' && part !== '.' && part !== '..')
  if (isPath) return parts
  throw new SlipwayError(
    'ref_invalid',
    `${shown(ref)} is neither an id nor a path like org/NAME/GROUP or user/NAME/GROUP`,
  )
}

export function notFound(code: ErrorCode, what: string, ref: string): SlipwayError {
  return new SlipwayError(code, `there is no ${what} ${shown(ref)}`)
}

const shown = (ref: string) => (ref.length <= pathCharactersMax ? ref : `${ref.slice(0, 40)}...`)
