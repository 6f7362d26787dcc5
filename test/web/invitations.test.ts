// Where members are invited: who asks, who answers, and what both see when the other was faster.

import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { password } from '../server/test-server.ts'
import { axe } from './axe.ts'
import { expectHeading } from './browser.ts'
import { openUi } from './ui-world.ts'

const ui = openUi(
  async ({ world: { client } }) => {
    for (const name of ['olga', 'ben', 'cy', 'dan']) await client.call('createUser', { body: { name, password } })
    for (const name of ['guild', 'crew'])
      await client.call('createOrganization', { body: { name, visibility: 'private', ownerRef: 'olga' } })
  },
  { SLIPWAY_GATEWAY_MEMBER_ADDING: 'invitation' },
)

const membersOf = async (orgRef: string) =>
  (await ui.world.client.call('listMembers', { params: { orgRef } })).items.map(
    ({ user, role }) => `${user.name} ${role}`,
  )

test('an owner invites, one accepts and belongs to the organization, another declines and does not', {
  timeout: 120_000,
}, async () => {
  await ui.withPage(
    async (page) => {
      await page.goto('/organizations/guild')
      for (const [name, role] of [
        ['ben', 'Member'],
        ['cy', 'Owner'],
      ] as const) {
        await page.getByLabel('User').fill(name)
        await page.getByLabel('As', { exact: true }).selectOption(role)
        await page.getByRole('button', { name: 'Add', exact: true }).click()
        await page
          .getByRole('listitem')
          .filter({ hasText: `${name} as ${role.toLowerCase()}` })
          .waitFor()
      }
      expect(await axe(page)).toEqual([])
      await page.getByLabel('User').fill('ben')
      await page.getByRole('button', { name: 'Add', exact: true }).click()
      await page.getByRole('alert').waitFor()
    },
    { username: 'olga' },
  )
  expect(await membersOf('guild')).toEqual(['olga owner'])
  await ui.withPage(
    async (page) => {
      await page.goto('/organizations')
      await page.getByText('guild as member').waitFor()
      expect(await axe(page)).toEqual([])
      await page.getByRole('button', { name: 'Accept' }).click()
      await page.getByRole('link', { name: 'guild' }).click()
      await expectHeading(page, 'guild')
      await page.getByRole('row', { name: 'ben member' }).waitFor()
    },
    { username: 'ben' },
  )
  await ui.withPage(
    async (page) => {
      await page.goto('/organizations')
      await page.getByText('guild as owner').waitFor()
      await page.getByRole('button', { name: 'Decline' }).click()
      await page.getByRole('button', { name: 'Decline' }).waitFor({ state: 'detached' })
      await page.getByText('None yet').waitFor()
    },
    { username: 'cy' },
  )
  expect(await membersOf('guild')).toEqual(['ben member', 'olga owner'])
  await ui.withPage(
    async (page) => {
      await page.goto('/organizations/guild')
      await page.getByRole('row', { name: /^ben member/ }).waitFor()
      expect(await page.getByRole('heading', { name: 'Invited' }).count()).toBe(0)
    },
    { username: 'olga' },
  )
})

test('an invitation is taken back, and both are told when the other was faster', { timeout: 120_000 }, async () => {
  const invite = async (page: Page) => {
    await page.getByLabel('User').fill('dan')
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByText('dan as member').waitFor()
  }
  await ui.withPage(
    async (owner) => {
      await owner.goto('/organizations/crew')
      await invite(owner)
      await ui.withPage(
        async (invited) => {
          await invited.goto('/organizations')
          await invited.getByText('crew as member').waitFor()
          await owner.getByRole('button', { name: 'Take back from dan' }).click()
          await owner.getByRole('heading', { name: 'Invited' }).waitFor({ state: 'detached' })
          await invited.getByRole('button', { name: 'Accept' }).click()
          await invited.getByRole('alert').waitFor()
          expect(await invited.getByRole('button', { name: 'Accept' }).count()).toBe(0)
          await invited.getByText('None yet').waitFor()

          await invite(owner)
          await invited.reload()
          await invited.getByRole('button', { name: 'Accept' }).click()
          await invited.getByRole('link', { name: 'crew' }).waitFor()
          await owner.getByRole('button', { name: 'Take back from dan' }).click()
          await owner.getByRole('alert').waitFor()
          await owner.getByRole('row', { name: /^dan member/ }).waitFor()
        },
        { username: 'dan' },
      )
    },
    { username: 'olga' },
  )
  expect(await membersOf('crew')).toEqual(['dan member', 'olga owner'])
})

test('an organization is renamed and opened to everybody, unless somebody else was faster', {
  timeout: 90_000,
}, async () => {
  const { client } = ui.world
  await client.call('createOrganization', { body: { name: 'dock', visibility: 'private', ownerRef: 'olga' } })
  await client.call('createProjectGroup', { body: { name: 'tools', parentRef: 'org/dock', visibility: 'public' } })
  await ui.withPage(
    async (page) => {
      await page.goto('/organizations/dock')
      await page.getByLabel('Name', { exact: true }).fill('harbour')
      await client.call('updateOrganization', { params: { orgRef: 'dock' }, body: { visibility: 'public' } })
      await page.getByRole('button', { name: 'Save' }).click()
      await page.getByText('Somebody else was faster').waitFor()
      expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('harbour')
      await page.getByRole('button', { name: 'Show what there is now' }).click()
      await expect.poll(() => page.getByLabel('Name', { exact: true }).inputValue()).toBe('dock')
      expect(await page.getByLabel('Private').isChecked()).toBe(false)
      await page.getByLabel('Name', { exact: true }).fill('harbour')
      await page.getByRole('button', { name: 'Save' }).click()
      await expectHeading(page, 'harbour')
      await page.getByRole('link', { name: 'Projects' }).last().click()
      await page.getByRole('link', { name: 'tools' }).waitFor()
      await page.getByRole('link', { name: 'Members' }).click()
      await expectHeading(page, 'harbour')
    },
    { username: 'olga' },
  )
})
