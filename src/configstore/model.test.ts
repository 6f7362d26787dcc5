// Arbitrary operations against a simple model of the tree: the same operations succeed, the same paths are there afterwards, and
// what must always hold of the rows holds after each of them.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isSlipwayError } from '../lib/errors.ts'
import { openWorld, type World } from './configstore-fixture.ts'
import { expectInvariants, expectNoOrphans } from './invariants-fixture.ts'
import { Tree } from './projects/tree.ts'

const userNames = ['bob', 'ann', 'cid'] as const
const orgNames = ['acme', 'ann'] as const
const nodeNames = ['a', 'b', 'c'] as const

// The first of each is chosen often, so that operations meet.
const often = <T>(first: T, ...others: T[]) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(first) }, { weight: 1, arbitrary: fc.constantFrom(...others) })
const userName = often(...userNames)
const orgName = often(...orgNames)
const nodeName = often(...nodeNames)
const ownerPath = fc.oneof(
  orgName.map((name) => `org/${name}`),
  userName.map((name) => `user/${name}`),
)
const below = (root: string) => fc.array(nodeName, { maxLength: 2 }).map((names) => [root, ...names].join('/'))
const path = ownerPath.chain(below)
const role = fc.constantFrom('owner' as const, 'member' as const)
/** From and to: anywhere, or to what is below. */
const twoPaths = path.chain((from) => fc.tuple(fc.constant(from), fc.oneof(path, below(from))))

type Action =
  | { readonly kind: 'createUser' | 'deleteUser'; readonly name: string }
  | { readonly kind: 'createOrg'; readonly name: string; readonly owner: string }
  | { readonly kind: 'deleteOrg'; readonly name: string }
  | { readonly kind: 'setMember'; readonly org: string; readonly user: string; readonly role: 'owner' | 'member' }
  | { readonly kind: 'removeMember' | 'invite' | 'accept'; readonly org: string; readonly user: string }
  | { readonly kind: 'createGroup' | 'createProject'; readonly parent: string; readonly name: string }
  | { readonly kind: 'deleteGroup' | 'deleteProject' | 'createSecret'; readonly path: string }
  | { readonly kind: 'moveGroup' | 'moveProject'; readonly path: string; readonly to: string; readonly name: string }

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('createUser' as const), name: userName }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deleteUser' as const), name: userName }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('createOrg' as const), name: orgName, owner: userName }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deleteOrg' as const), name: orgName }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('setMember' as const), org: orgName, user: userName, role }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('removeMember' as const, 'invite' as const, 'accept' as const),
      org: orgName,
      user: userName,
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constantFrom('createGroup' as const, 'createProject' as const),
      parent: path,
      name: nodeName,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('deleteGroup' as const, 'deleteProject' as const, 'createSecret' as const),
      path,
    }),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom('moveGroup' as const, 'moveProject' as const), twoPaths, nodeName)
      .map(([kind, [path, to], name]) => ({ kind, path, to, name })),
  },
)

/** The tree as a set of paths: of groups, root groups among them, of projects, and of secrets. */
class Model {
  readonly groups = new Set<string>()
  readonly projects = new Set<string>()
  readonly secrets = new Set<string>()
  /** Roles by organization and user. */
  readonly members = new Map<string, 'owner' | 'member'>()
  readonly invited = new Set<string>()

  /** Whether the operation succeeds; if so, it is done. */
  apply(action: Action): boolean {
    switch (action.kind) {
      case 'createUser':
        return this.#add(`user/${action.name}`)
      case 'deleteUser':
        return this.#deleteUser(action.name)
      case 'createOrg':
        if (!this.groups.has(`user/${action.owner}`) || !this.#add(`org/${action.name}`)) return false
        this.members.set(`${action.name} ${action.owner}`, 'owner')
        return true
      case 'deleteOrg':
        return this.#deleteOrg(action.name)
      case 'setMember':
        return this.#setMember(action.org, action.user, action.role)
      case 'removeMember':
        return this.#removeMember(action.org, action.user)
      case 'invite': {
        const pair = `${action.org} ${action.user}`
        if (!this.#arePair(action.org, action.user) || this.members.has(pair) || this.invited.has(pair)) return false
        this.invited.add(pair)
        return true
      }
      case 'accept': {
        const pair = `${action.org} ${action.user}`
        if (!this.invited.delete(pair)) return false
        this.members.set(pair, 'member')
        return true
      }
      case 'createGroup':
      case 'createProject': {
        const child = `${action.parent}/${action.name}`
        if (!this.groups.has(action.parent) || this.#isTaken(child)) return false
        ;(action.kind === 'createGroup' ? this.groups : this.projects).add(child)
        return true
      }
      case 'createSecret':
        if ((!this.groups.has(action.path) && !this.projects.has(action.path)) || this.secrets.has(action.path))
          return false
        this.secrets.add(action.path)
        return true
      case 'deleteGroup':
        if (!this.groups.has(action.path) || isRoot(action.path)) return false
        this.#remove(action.path)
        return true
      case 'deleteProject':
        if (!this.projects.has(action.path)) return false
        this.#remove(action.path)
        return true
      case 'moveGroup':
      case 'moveProject':
        return this.#move(action)
    }
  }

  #add(root: string): boolean {
    if (this.groups.has(root)) return false
    this.groups.add(root)
    return true
  }

  #isTaken(child: string): boolean {
    return this.groups.has(child) || this.projects.has(child)
  }

  #remove(root: string): void {
    for (const set of [this.groups, this.projects, this.secrets])
      for (const one of [...set]) if (one === root || one.startsWith(`${root}/`)) set.delete(one)
  }

  #owners(org: string): number {
    return [...this.members].filter(([pair, role]) => pair.startsWith(`${org} `) && role === 'owner').length
  }

  #arePair(org: string, user: string): boolean {
    return this.groups.has(`org/${org}`) && this.groups.has(`user/${user}`)
  }

  #isLastOwner(org: string, user: string): boolean {
    return this.members.get(`${org} ${user}`) === 'owner' && this.#owners(org) === 1
  }

  #deleteUser(name: string): boolean {
    if (!this.groups.has(`user/${name}`) || orgNames.some((org) => this.#isLastOwner(org, name))) return false
    this.#remove(`user/${name}`)
    for (const org of orgNames) {
      this.members.delete(`${org} ${name}`)
      this.invited.delete(`${org} ${name}`)
    }
    return true
  }

  #deleteOrg(name: string): boolean {
    if (!this.groups.has(`org/${name}`)) return false
    this.#remove(`org/${name}`)
    for (const user of userNames) {
      this.members.delete(`${name} ${user}`)
      this.invited.delete(`${name} ${user}`)
    }
    return true
  }

  #setMember(org: string, user: string, role: 'owner' | 'member'): boolean {
    if (!this.#arePair(org, user) || (role === 'member' && this.#isLastOwner(org, user))) return false
    this.members.set(`${org} ${user}`, role)
    this.invited.delete(`${org} ${user}`)
    return true
  }

  #removeMember(org: string, user: string): boolean {
    if (!this.#arePair(org, user) || this.#isLastOwner(org, user)) return false
    return this.members.delete(`${org} ${user}`)
  }

  #move({ kind, path, to, name }: Extract<Action, { readonly to: string }>): boolean {
    const isGroup = kind === 'moveGroup'
    if (!(isGroup ? this.groups : this.projects).has(path) || !this.groups.has(to)) return false
    if (isGroup && (isRoot(path) || to === path || to.startsWith(`${path}/`))) return false
    const target = `${to}/${name}`
    if (target === path) return true
    if (this.#isTaken(target)) return false
    for (const set of [this.groups, this.projects, this.secrets])
      for (const one of [...set])
        if (one === path || one.startsWith(`${path}/`)) {
          set.delete(one)
          set.add(`${target}${one.slice(path.length)}`)
        }
    return true
  }
}

const isRoot = (path: string) => path.split('/').length === 2

async function perform({ configstore }: World, action: Action): Promise<unknown> {
  switch (action.kind) {
    case 'createUser':
      return configstore.createUser({ name: action.name })
    case 'deleteUser':
      return configstore.deleteUser({ user: action.name })
    case 'createOrg':
      return configstore.createOrganization({ name: action.name, visibility: 'public', owner: action.owner })
    case 'deleteOrg':
      return configstore.deleteOrganization({ organization: action.name })
    case 'setMember':
      return configstore.setMember({ organization: action.org, user: action.user, role: action.role })
    case 'removeMember':
      return configstore.removeMember({ organization: action.org, user: action.user })
    case 'invite':
      return configstore.createInvitation({ organization: action.org, user: action.user, role: 'member' })
    case 'accept':
      return configstore.acceptInvitation({ organization: action.org, user: action.user })
    case 'createGroup':
      return configstore.createProjectGroup({ parent: action.parent, name: action.name, visibility: 'public' })
    case 'createProject': {
      const { parent: group, name } = action
      return configstore.createProject({ group, name, visibility: 'public', source: { kind: 'none' } })
    }
    case 'createSecret': {
      const type = await configstore.getProjectGroup({ group: action.path }).then(
        () => 'projectgroup' as const,
        () => 'project' as const,
      )
      return configstore.createSecret({ parent: { type, ref: action.path }, name: 's', data: { a: 'A' } })
    }
    case 'deleteGroup':
      return configstore.deleteProjectGroup({ group: action.path })
    case 'deleteProject':
      return configstore.deleteProject({ project: action.path })
    case 'moveGroup':
    case 'moveProject': {
      const isGroup = action.kind === 'moveGroup'
      const from = await configstore.resolveAccess({ type: isGroup ? 'projectgroup' : 'project', ref: action.path })
      const to = await configstore.resolveAccess({ type: 'projectgroup', ref: action.to })
      const move = { to: to.id, fromOwnerId: from.owner.id, toOwnerId: to.owner.id }
      if (isGroup) return configstore.updateProjectGroup({ group: from.id, name: action.name, move })
      return configstore.updateProject({ project: from.id, name: action.name, move })
    }
  }
}

async function succeeds(outcome: Promise<unknown>): Promise<boolean> {
  try {
    await outcome
    return true
  } catch (error) {
    if (isSlipwayError(error) && error.kind !== 'internal') return false
    throw error
  }
}

/** What can be reached: paths of groups, projects and secrets, and who is member or invited. */
function reachable({ database }: World) {
  return database.view((tx) => {
    const tree = new Tree(tx)
    const paths = (found: (string | undefined)[]) => found.filter((path) => path !== undefined).sort()
    return {
      groups: paths(tx.list('projectgroup').map(({ id }) => tree.placeOf(id)?.path)),
      projects: paths(tx.list('project').map(({ body }) => tree.viewProject(body)?.path)),
      secrets: paths(tx.list('secret').map(({ body }) => tree.holderPath(body.parent.type, body.parent.id))),
      members: paths(tx.list('member').map(({ body }) => `${body.organizationName} ${body.userName} ${body.role}`)),
      invited: paths(tx.list('invitation').map(({ body }) => `${body.organizationName} ${body.userName}`)),
    }
  })
}

function expected(model: Model) {
  return {
    groups: [...model.groups].sort(),
    projects: [...model.projects].sort(),
    secrets: [...model.secrets].sort(),
    members: [...model.members].map(([pair, role]) => `${pair} ${role}`).sort(),
    invited: [...model.invited].sort(),
  }
}

const beginning: readonly Action[] = [
  { kind: 'createUser', name: 'ann' },
  { kind: 'createUser', name: 'bob' },
  { kind: 'createOrg', name: 'acme', owner: 'ann' },
  { kind: 'createGroup', parent: 'org/acme', name: 'a' },
  { kind: 'createGroup', parent: 'org/acme/a', name: 'b' },
  { kind: 'createProject', parent: 'org/acme/a/b', name: 'c' },
]

test('whatever is done, the tree is that of the model and nothing hangs on what is gone', async () => {
  const outcomes = { succeeded: 0, refused: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 20, maxLength: 60, size: 'max' }), async (actions) => {
      await using world = await openWorld()
      const model = new Model()
      for (const next of [...beginning, ...actions]) {
        const isExpected = model.apply(next)
        outcomes[isExpected ? 'succeeded' : 'refused']++
        expect([next, await succeeds(perform(world, next))]).toEqual([next, isExpected])
        world.database.view(expectInvariants)
        expect(reachable(world)).toEqual(expected(model))
      }
      await world.configstore.sweep()
      world.database.view(expectNoOrphans)
    }),
    { numRuns: 25 },
  )
  // Both ways are walked often enough to mean something.
  expect(Math.min(outcomes.succeeded, outcomes.refused)).toBeGreaterThan(100)
}, 60_000)

test('all at once, the same operations leave a state in which the same things hold', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 30, maxLength: 60, size: 'max' }), async (actions) => {
      await using world = await openWorld()
      for (const next of beginning) await perform(world, next)
      await Promise.all(actions.map((next) => succeeds(perform(world, next))))
      world.database.view(expectInvariants)
      await world.configstore.sweep()
      world.database.view(expectNoOrphans)
    }),
    { numRuns: 15 },
  )
}, 60_000)
