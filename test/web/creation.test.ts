// What one chooses when projects, groups and runs are made, and sees of what was chosen above them.

import { expect, test } from 'vitest'
import { axe } from './axe.ts'
import { expectHeading } from './browser.ts'
import { openUi } from './ui-world.ts'

const ui = openUi()

test('a project is made with what members may do and what runs of forks get, and a group with who sees it', {
  timeout: 120_000,
}, async () => {
  const { client, git } = ui.world
  await client.call('createOrganization', { body: { name: 'acme', visibility: 'public' } })
  await ui.withPage(async (page) => {
    const members = page.getByLabel('Members may restart, stop and cancel runs')
    await page.goto('/new-project')
    await page.getByLabel('Name', { exact: true }).fill('flagged')
    await page.getByLabel('Repository', { exact: true }).fill(git.url)
    await page.getByLabel('Runs of forks get the variables').waitFor()
    expect(await members.count()).toBe(0)
    await page.getByLabel('In', { exact: true }).selectOption('org/acme')
    await members.check()
    await page.getByLabel('Runs of forks get the variables').check()
    await page.getByLabel('Private').uncheck()
    expect(await axe(page)).toEqual([])
    await page.getByRole('button', { name: 'Make the project' }).click()
    await expectHeading(page, 'flagged')
    expect(await client.call('getProject', { params: { projectRef: 'org/acme/flagged' } })).toMatchObject({
      visibility: 'public',
      passVariablesToForks: true,
      membersCanPerformRunActions: true,
    })

    await page.goto('/new-project?in=org/acme')
    await page.getByLabel('Name', { exact: true }).fill('careful')
    await page.getByLabel('Repository', { exact: true }).fill(git.url)
    await page.getByRole('button', { name: 'Make the project' }).click()
    await expectHeading(page, 'careful')
    expect(await client.call('getProject', { params: { projectRef: 'org/acme/careful' } })).toMatchObject({
      visibility: 'private',
      passVariablesToForks: false,
      membersCanPerformRunActions: false,
    })

    for (const [name, visibility] of [
      ['hidden', 'private'],
      ['open', 'public'],
    ] as const) {
      await page.goto('/new-group?in=org/acme')
      await page.getByLabel('Name', { exact: true }).fill(name)
      await page.getByLabel('Private').setChecked(visibility === 'private')
      await page.getByRole('button', { name: 'Make the group' }).click()
      await expectHeading(page, name)
      const group = await client.call('getProjectGroup', { params: { projectGroupRef: `org/acme/${name}` } })
      expect(group.visibility).toBe(visibility)
    }
    await page.goto('/groups/org.acme')
    await page.locator('.tree-row').filter({ hasText: 'hidden' }).getByText('private').waitFor()
  })
})

test('who sees all that a user or an organization has is set at its root, which has no name to change', {
  timeout: 90_000,
}, async () => {
  const { client } = ui.world
  await client.call('createOrganization', { body: { name: 'rooted', visibility: 'public' } })
  await ui.withPage(async (page) => {
    for (const path of ['user/ann', 'org/rooted']) {
      const params = { projectGroupRef: path }
      const { visibility } = await client.call('getProjectGroup', { params })
      await page.goto(`/groups/${path.replace('/', '.')}/settings/general`)
      const isPrivate = page.getByLabel('Private')
      expect(await isPrivate.isChecked()).toBe(visibility === 'private')
      expect(await page.getByLabel('Name', { exact: true }).count()).toBe(0)
      expect(await page.getByRole('button', { name: 'Remove the group' }).count()).toBe(0)
      const save = page.getByRole('button', { name: 'Save' })
      await isPrivate.click()
      await save.click()
      await page.getByText('Saved.').waitFor()
      const changed = await client.call('getProjectGroup', { params })
      expect(changed.visibility).toBe(visibility === 'private' ? 'public' : 'private')

      // The form goes on with what it made: saving once more is no conflict.
      await isPrivate.click()
      await save.click()
      await expect.poll(async () => (await client.call('getProjectGroup', { params })).visibility).toBe(visibility)
      expect(await axe(page)).toEqual([])
    }
  })
})

test('a project moves to another group, and stays where it is when there is none', { timeout: 90_000 }, async () => {
  const { client } = ui.world
  await client.call('createProjectGroup', { body: { name: 'attic', parentRef: 'user/ann', visibility: 'public' } })
  const projectRef = await ui.world.createProject('mover')
  const path = async () => (await client.call('getProject', { params: { projectRef } })).path
  await ui.withPage(async (page) => {
    await page.goto('/projects/user.ann.mover/settings/general')
    const group = page.getByLabel('Group', { exact: true })
    expect(await group.inputValue()).toBe('user/ann')
    await group.fill('user/ann/nowhere')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('alert').waitFor()
    expect(await path()).toBe('user/ann/mover')
    await group.fill('user/ann/attic')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.waitForURL(/\/projects\/user\.ann\.attic\.mover\/settings\/general/)
    await expectHeading(page, 'mover')
    expect(await path()).toBe('user/ann/attic/mover')
    expect(await axe(page)).toEqual([])
  })
})

test('of a variable one sees which values come from a secret above, and which from none', {
  timeout: 60_000,
}, async () => {
  const { client } = ui.world
  const above = { projectGroupRef: 'user/ann' }
  const params = { projectRef: ui.projectId }
  await client.call('createProjectGroupSecret', { params: above, body: { name: 'registry', data: { password: 'x' } } })
  await client.call('createProjectGroupVariable', {
    params: above,
    body: { name: 'colour', values: [{ value: 'red' }] },
  })
  const main = { branch: { include: [{ type: 'simple' as const, match: 'main' }] } }
  await client.call('createProjectVariable', {
    params,
    body: {
      name: 'login',
      values: [
        { secretName: 'registry', secretVar: 'password', when: main },
        { secretName: 'nowhere', secretVar: 'x' },
      ],
    },
  })
  await ui.withPage(async (page) => {
    await page.goto('/projects/user.ann.web/settings/variables')
    const values = page.getByRole('row', { name: /^login/ }).getByRole('listitem')
    await values.filter({ hasText: 'registry.password of user/ann · when branch main' }).waitFor()
    await values.filter({ hasText: 'nowhere.x there is no such secret · always' }).waitFor()
    await page.getByRole('row', { name: 'colour red · always user/ann' }).waitFor()
    // What is from above is changed there.
    expect(await page.getByRole('button', { name: 'Edit colour' }).count()).toBe(0)
    expect(await axe(page)).toEqual([])

    await client.call('createProjectGroupSecret', { params: above, body: { name: 'nowhere', data: { x: 'y' } } })
    await page.reload()
    await values.filter({ hasText: 'nowhere.x of user/ann · always' }).waitFor()
  })
})

test('a step shows what it executed and in which shell', { timeout: 60_000 }, async () => {
  const { world } = ui
  const command = 'echo first\necho second'
  const { id, number } = await world.createRun(ui.projectId, {
    build: {
      steps: [
        { type: 'run', name: 'usual', command },
        { type: 'run', name: 'strict', command: 'echo strict', shell: '/bin/sh -eu' },
      ],
    },
  })
  await world.untilFinished(id)
  await ui.withPage(async (page) => {
    await page.goto(`/projects/user.ann.web/runs/${number}?view=tasks`)
    await page.locator('.task-row').getByRole('link', { name: 'build' }).click()
    await page.getByRole('link', { name: /usual/ }).click()
    await page.getByText('Command (/bin/sh -e)').click()
    await page.locator('pre.command').waitFor()
    expect(await page.locator('pre.command').textContent()).toBe(command)
    expect(await axe(page)).toEqual([])
    await page.getByRole('link', { name: /strict/ }).click()
    await page.getByText('Command (/bin/sh -eu)').waitFor()
    expect(await page.locator('pre.command').textContent()).toBe('echo strict')
  })
})

test('a run is started by hand, of what is in the repository, and what is wrong with it is told', {
  timeout: 120_000,
}, async () => {
  const { repository } = ui.world.git
  const greet = { name: 'greet', runtime: { containers: [{ image: 'busybox' }] }, steps: [{ run: 'true' }] }
  const runs = [{ name: 'ci', when: { branch: 'main' }, tasks: [greet] }]
  repository.write({ '.slipway/config.json': JSON.stringify({ runs }) })
  const older = repository.commit('Greet')
  repository.commit('Greet louder')
  repository.git('tag', 'v1')
  await ui.withPage(async (page) => {
    const dialog = page.getByRole('dialog', { name: 'Start a run of web' })
    const start = dialog.getByRole('button', { name: 'Start it' })
    const open = async () => {
      await page.goto('/projects/user.ann.web')
      await page.getByRole('button', { name: 'Start a run' }).click()
    }
    await open()
    expect(await dialog.getByLabel('Name of the branch').inputValue()).toBe('main')
    await dialog.getByLabel('Name of the branch').fill('nowhere')
    await start.click()
    await dialog.getByText('No run was started').waitFor()
    expect(await axe(page)).toEqual([])
    await dialog.getByLabel('Name of the branch').fill('main')
    await start.click()
    await page.getByText('Greet louder').waitFor()

    await open()
    await dialog.getByLabel('Commit').fill(older)
    await start.click()
    await page.getByText('Greet', { exact: true }).waitFor()
    await page.getByText(older.slice(0, 8)).waitFor()

    await open()
    await dialog.getByLabel('Of a').selectOption('Tag')
    await dialog.getByLabel('Name of the tag').fill('v1')
    await start.click()
    await dialog.getByRole('status').filter({ hasText: 'No run was started' }).waitFor()
    expect(await axe(page)).toEqual([])
  })
})
