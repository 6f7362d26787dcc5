// `slipway org`, `slipway invitation`: organizations and who belongs to them.

import { type Command, Option } from 'commander'
import type { ResponseOf } from '../../../contract/route.ts'
import type { ApiRoutes } from '../../../contract/routes.ts'
import { type Column, printItem, printList } from '../../remote/print.ts'
import { type AddRemote, allPages } from '../../remote/remote-command.ts'

type Organization = ResponseOf<ApiRoutes['getOrganization']>
type Member = ResponseOf<ApiRoutes['setMember']>
type Invitation = ResponseOf<ApiRoutes['getInvitation']>
type Visibility = 'public' | 'private'
type Role = 'owner' | 'member'

const columns: readonly Column<Organization>[] = [
  ['name', ({ name }) => name],
  ['visibility', ({ visibility }) => visibility],
  ['id', ({ id }) => id],
  ['created', ({ createdAt }) => createdAt],
]
const memberColumns: readonly Column<Member>[] = [
  ['user', ({ user }) => user.name],
  ['role', ({ role }) => role],
  ['since', ({ createdAt }) => createdAt],
]
const invitationColumns: readonly Column<Invitation>[] = [
  ['organization', ({ organization }) => organization.name],
  ['user', ({ user }) => user.name],
  ['role', ({ role }) => role],
  ['since', ({ createdAt }) => createdAt],
]

const visibility = () => new Option('--visibility <who>', 'who may see it').choices(['public', 'private'])
const role = () => new Option('--role <role>', 'what they may do').choices(['owner', 'member']).default('member')

export function addOrganizationCommands(program: Command, add: AddRemote): void {
  const org = program.command('org').summary('organizations and their members')
  add(org.command('list').summary('organizations you may see'), async ({ client, io, format }) => {
    printList(await allPages((query) => client.call('listOrganizations', { query })), columns, format, io)
  })
  add(
    org.command('show <org>').summary('an organization'),
    async ({ client, io, format }, _options, orgRef: string) => {
      printItem(await client.call('getOrganization', { params: { orgRef } }), columns, format, io)
    },
  )
  add(
    org.command('create <name>').summary('make an organization; you are its first owner').addOption(visibility()),
    async ({ client, io, format }, options: { visibility?: Visibility }, name: string) => {
      const body = { name, ...(options.visibility === undefined ? {} : { visibility: options.visibility }) }
      printItem(await client.call('createOrganization', { body }), columns, format, io)
    },
  )
  add(
    org
      .command('update <org>')
      .summary('rename it, or change who may see it')
      .option('--name <name>', 'its new name')
      .addOption(visibility()),
    async ({ client, io, format }, options: { name?: string; visibility?: Visibility }, orgRef: string) => {
      const body = {
        ...(options.name === undefined ? {} : { name: options.name }),
        ...(options.visibility === undefined ? {} : { visibility: options.visibility }),
      }
      printItem(await client.call('updateOrganization', { params: { orgRef }, body }), columns, format, io)
    },
  )
  add(
    org.command('delete <org>').summary('remove an organization with everything in it'),
    async ({ client }, _options, orgRef: string) => {
      await client.call('deleteOrganization', { params: { orgRef } })
    },
  )

  const member = org.command('member').summary('members of an organization')
  add(member.command('list <org>').summary('its members'), async ({ client, io, format }, _options, orgRef: string) => {
    const items = await allPages((query) => client.call('listMembers', { params: { orgRef }, query }))
    printList(items, memberColumns, format, io)
  })
  add(
    member.command('set <org> <user>').summary('add a member, or change its role').addOption(role()),
    async ({ client, io, format }, options: { role: Role }, orgRef: string, userRef: string) => {
      const set = await client.call('setMember', { params: { orgRef, userRef }, body: { role: options.role } })
      printItem(set, memberColumns, format, io)
    },
  )
  add(
    member.command('remove <org> <user>').summary('remove a member'),
    async ({ client }, _options, orgRef: string, userRef: string) => {
      await client.call('removeMember', { params: { orgRef, userRef } })
    },
  )
  addInvitationCommands(program, org, add)
}

function addInvitationCommands(program: Command, org: Command, add: AddRemote): void {
  const ofOrg = org.command('invitation').summary('invitations of an organization')
  add(
    ofOrg.command('list <org>').summary('those not answered yet'),
    async ({ client, io, format }, _options, orgRef: string) => {
      const items = await allPages((query) => client.call('listInvitations', { params: { orgRef }, query }))
      printList(items, invitationColumns, format, io)
    },
  )
  add(
    ofOrg.command('create <org> <user>').summary('invite a user').addOption(role()),
    async ({ client, io, format }, options: { role: Role }, orgRef: string, userRef: string) => {
      const created = await client.call('createInvitation', {
        params: { orgRef },
        body: { userRef, role: options.role },
      })
      printItem(created, invitationColumns, format, io)
    },
  )
  add(
    ofOrg.command('delete <org> <user>').summary('withdraw an invitation'),
    async ({ client }, _options, orgRef: string, userRef: string) => {
      await client.call('deleteInvitation', { params: { orgRef, userRef } })
    },
  )
  const own = program.command('invitation').summary('invitations you have got')
  add(own.command('list').summary('those you have not answered'), async ({ client, io, format }) => {
    const items = await allPages((query) => client.call('listCurrentUserInvitations', { query }))
    printList(items, invitationColumns, format, io)
  })
  add(
    own.command('accept <org>').summary('become a member'),
    async ({ client, io, format }, _options, orgRef: string) => {
      printItem(await client.call('acceptInvitation', { params: { orgRef } }), memberColumns, format, io)
    },
  )
  add(own.command('reject <org>').summary('decline'), async ({ client }, _options, orgRef: string) => {
    await client.call('rejectInvitation', { params: { orgRef } })
  })
}
