// What is made, changed, handed out and taken away: projects, groups, organizations, users, tokens, executors.

import { expect, test } from 'vitest'
import { ApiError, createClient } from '../../src/contract/client.ts'
import { password } from '../server/test-server.ts'
import { axe } from './axe.ts'
import { expectHeading, logIn, openPage } from './browser.ts'
import { openUi } from './ui-world.ts'

const ui = openUi()

test('a group is made, a project in it found by its name, changed, and removed when its name was typed', {
  timeout: 120_000,
}, async () => {
  await ui.withPage(async (page) => {
    await page.goto('/new-group')
    await page.getByLabel('Name').fill('tools')
    await page.getByRole('button', { name: 'Make the group' }).click()
    await expectHeading(page, 'tools')
    await page.getByText('Nothing in here yet').waitFor()
    await ui.world.createProject('linter', 'user/ann/tools')
    await page.goto('/projects')
    await page.getByLabel('Search').fill('lint')
    await page.getByRole('link', { name: 'user/ann/tools/linter' }).click()
    await expectHeading(page, 'linter')

    await page.getByRole('link', { name: 'Settings' }).click()
    await page.getByRole('img', { name: 'State of linter' }).waitFor()
    expect(await page.getByLabel('Markdown').inputValue()).toMatch(/^\[!\[linter\]\(.*\/badges\//)
    await page.getByLabel('Name').fill('checker')
    await page.getByLabel('Private').check()
    await page.getByRole('button', { name: 'Save' }).click()
    await expectHeading(page, 'checker')
    await page.getByRole('button', { name: 'Remove the project' }).click()
    const dialog = page.getByRole('alertdialog', { name: 'Remove user/ann/tools/checker?' })
    expect(await axe(page)).toEqual([])
    expect(await dialog.getByRole('button', { name: 'Remove it for good' }).isEnabled()).toBe(false)
    await dialog.getByLabel(/^Type checker/).fill('checker')
    await dialog.getByRole('button', { name: 'Remove it for good' }).click()
    await expectHeading(page, 'tools')
    await page.getByText('Nothing in here yet').waitFor()
  })
})

test('what members may do, and what runs of forks get, is set and stays', { timeout: 60_000 }, async () => {
  await ui.world.client.call('createOrganization', { body: { name: 'flagged', visibility: 'public' } })
  const project = await ui.world.createProject('flags', 'org/flagged')
  await ui.withPage(async (page) => {
    const path = '/projects/org.flagged.flags/settings/general'
    const flags = ['Runs of forks get the variables', 'Members may restart, stop and cancel runs'] as const
    await page.goto(path)
    const before = await Promise.all(flags.map((label) => page.getByLabel(label).isChecked()))
    for (const label of flags) await page.getByLabel(label).click()
    await page.getByRole('button', { name: 'Save', exact: true }).first().click()
    await expect
      .poll(async () => {
        const now = await ui.world.client.call('getProject', { params: { projectRef: project } })
        return [now.passVariablesToForks, now.membersCanPerformRunActions]
      })
      .toEqual(before.map((isSet) => !isSet))
    await page.reload()
    await page.getByLabel(flags[0]).waitFor()
    expect(await Promise.all(flags.map((label) => page.getByLabel(label).isChecked()))).toEqual(
      before.map((isSet) => !isSet),
    )
  })
})

test('two people change a project at once: the later one is told, and nothing is overwritten', {
  timeout: 90_000,
}, async () => {
  const projectRef = await ui.world.createProject('shared')
  await ui.withPage(async (page) => {
    await page.goto('/projects/user.ann.shared/settings/general')
    await page.getByLabel('Main branch').fill('mine')
    await ui.world.client.call('updateProject', { params: { projectRef }, body: { defaultBranch: 'theirs' } })
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('Somebody else was faster').waitFor()
    const { defaultBranch } = await ui.world.client.call('getProject', { params: { projectRef } })
    expect(defaultBranch).toBe('theirs')
    expect(await page.getByLabel('Main branch').inputValue()).toBe('mine')
    await page.getByRole('button', { name: 'Show what there is now' }).click()
    await expect.poll(() => page.getByLabel('Main branch').inputValue()).toBe('theirs')
  })
})

test('two people change a group at once: the later one is told, and nothing is overwritten', {
  timeout: 90_000,
}, async () => {
  const { client } = ui.world
  const { id: projectGroupRef } = await client.call('createProjectGroup', {
    body: { name: 'common', parentRef: 'user/ann', visibility: 'private' },
  })
  const now = async () => await client.call('getProjectGroup', { params: { projectGroupRef } })
  await ui.withPage(async (page) => {
    await page.goto('/groups/user.ann.common/settings/general')
    await page.getByLabel('Name').fill('mine')
    await client.call('updateProjectGroup', { params: { projectGroupRef }, body: { visibility: 'public' } })
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('Somebody else was faster').waitFor()
    expect(await now()).toMatchObject({ name: 'common', visibility: 'public' })
    expect(await page.getByLabel('Name').inputValue()).toBe('mine')
    expect(await axe(page)).toEqual([])
    await page.getByRole('button', { name: 'Show what there is now' }).click()
    await expect.poll(() => page.getByLabel('Name').inputValue()).toBe('common')
    expect(await page.getByLabel('Private').isChecked()).toBe(false)
    await page.getByLabel('Name').fill('mine')
    await page.getByRole('button', { name: 'Save' }).click()
    await expectHeading(page, 'mine')
    expect(await now()).toMatchObject({ name: 'mine', visibility: 'public' })

    await page.getByRole('button', { name: 'Remove the group' }).click()
    const dialog = page.getByRole('alertdialog', { name: 'Remove user/ann/mine?' })
    const remove = dialog.getByRole('button', { name: 'Remove it for good' })
    expect(await remove.isEnabled()).toBe(false)
    await dialog.getByLabel(/^Type mine/).fill('mine')
    await client.call('updateProjectGroup', { params: { projectGroupRef }, body: { visibility: 'private' } })
    await remove.click()
    await dialog.getByText('Somebody else was faster').waitFor()
    expect((await now()).name).toBe('mine')
  })
})

test('a token of an executor is made, shown once, and revoked', { timeout: 90_000 }, async () => {
  const names = async () =>
    (await ui.world.client.call('listExecutorTokens')).items.map(({ name }) => name).filter((name) => name === 'shed')
  await ui.withPage(async (page) => {
    await page.goto('/admin/executors')
    await page.getByLabel('Name of a new executor').fill('shed')
    await page.getByRole('button', { name: 'Make a token' }).click()
    await page.getByText('shown here and never again').waitFor()
    const row = page.getByRole('listitem').filter({ hasText: 'shed' })
    await row.waitFor()
    expect(await axe(page)).toEqual([])
    await page.reload()
    await row.waitFor()
    expect(await page.getByText('shown here and never again').count()).toBe(0)
    expect(await names()).toEqual(['shed'])
    await page.getByRole('button', { name: 'Revoke shed' }).click()
    const dialog = page.getByRole('alertdialog', { name: 'Revoke the token shed?' })
    await dialog.getByText('refused from now on').waitFor()
    await dialog.getByRole('button', { name: 'Keep as it is' }).click()
    await dialog.waitFor({ state: 'detached' })
    expect(await names()).toEqual(['shed'])
    await page.getByRole('button', { name: 'Revoke shed' }).click()
    await dialog.getByRole('button', { name: 'Revoke it' }).click()
    await row.waitFor({ state: 'detached' })
    expect(await names()).toEqual([])
  })
})

test('a token is made, shown once, and revoked', { timeout: 90_000 }, async () => {
  await ui.withPage(async (page) => {
    await page.goto('/account/tokens')
    await page.getByLabel('Name').fill('laptop')
    await page.getByLabel('It may').selectOption('run')
    await page.getByRole('button', { name: 'Make the token' }).click()
    await page.getByText('shown here and never again').waitFor()
    expect(await axe(page)).toEqual([])
    await page.getByRole('row', { name: /^laptop run/ }).waitFor()
    await page.reload()
    await page.getByRole('row', { name: /^laptop run/ }).waitFor()
    expect(await page.getByText('shown here and never again').count()).toBe(0)
    await page.getByRole('button', { name: 'Revoke laptop' }).click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Revoke it' }).click()
    await page.getByRole('row', { name: /^laptop run/ }).waitFor({ state: 'detached' })
  })
})

test('a token is made for some projects only, which it says, and is refused elsewhere', {
  timeout: 90_000,
}, async () => {
  const other = await ui.world.client.call('getProject', {
    params: { projectRef: await ui.world.createProject('hidden') },
  })
  await ui.world.client.call('updateProject', {
    params: { projectRef: other.id },
    ifMatch: other.version,
    body: { visibility: 'private' },
  })
  await ui.withPage(async (page) => {
    await page.goto('/account/tokens')
    await page.getByLabel('Name').fill('robot')
    await page.getByLabel('Of', { exact: true }).selectOption('some')
    expect(await page.getByRole('button', { name: 'Make the token' }).isEnabled()).toBe(false)
    await page.getByRole('checkbox', { name: 'user/ann/web' }).check()
    expect(await axe(page)).toEqual([])
    await page.getByRole('button', { name: 'Make the token' }).click()
    await page.getByRole('row', { name: /^robot read only user\/ann\/web/ }).waitFor()
    const token = await page.locator('.note', { hasText: 'Copy it now' }).locator('code').innerText()
    const robot = createClient({ url: ui.world.server.url, token })
    expect(await robot.call('getProject', { params: { projectRef: ui.projectId } })).toMatchObject({ name: 'web' })
    await expect(robot.call('getProject', { params: { projectRef: other.id } })).rejects.toThrow(ApiError)
    await page.getByRole('button', { name: 'Revoke robot' }).click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Revoke it' }).click()
    await page.getByRole('row', { name: /^robot/ }).waitFor({ state: 'detached' })
  })
})

test('a user is made, becomes a member of an organization, then an owner, and leaves it', {
  timeout: 120_000,
}, async () => {
  await ui.withPage(async (page) => {
    await page.goto('/admin/users')
    await page.getByLabel('Name').fill('lou')
    await page.getByLabel('Password', { exact: true }).fill('forgotten soon after')
    await page.getByRole('button', { name: 'Make the user' }).click()
    await page.getByRole('row', { name: /^lou user/ }).waitFor()
    await page.getByRole('button', { name: 'New password for lou' }).click()
    const forgotten = page.getByRole('dialog', { name: 'New password for lou' })
    await forgotten.getByLabel('Password', { exact: true }).fill(password)
    expect(await axe(page)).toEqual([])
    await forgotten.getByRole('button', { name: 'Set it' }).click()
    await forgotten.waitFor({ state: 'detached' })
    await page.goto('/organizations')
    await page.getByRole('button', { name: 'New organization' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Name').fill('harbour')
    await dialog.getByRole('button', { name: 'Make it' }).click()
    await expectHeading(page, 'harbour')
    await page.getByLabel('User').fill('lou')
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    const row = page.getByRole('row', { name: /^lou/ })
    await row.filter({ hasText: 'member' }).getByRole('button', { name: 'Make owner' }).click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Change the role' }).click()
    await row.getByRole('button', { name: 'Make member' }).waitFor()
    expect(await axe(page)).toEqual([])
    await page.getByRole('button', { name: 'Remove lou' }).click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Remove it' }).click()
    await row.waitFor({ state: 'detached' })
  })
  const { page, context } = await openPage(ui.browser, ui.world.server.url)
  await page.goto('/projects/user.ann.web/runs/1')
  await page.getByRole('link', { name: 'Log in' }).waitFor()
  await logIn(page, 'lou')
  await context.close()
})

test('a key is made, what is sealed under the old one is sealed anew, and the old one removed', {
  timeout: 90_000,
}, async () => {
  await ui.world.client.call('createProjectSecret', {
    params: { projectRef: ui.projectId },
    body: { name: 'sealed', data: { key: 'value' } },
  })
  await ui.withPage(async (page) => {
    await page.goto('/admin/keys')
    const rows = page.getByRole('group', { name: 'Keys' }).locator('tbody tr')
    const old = await rows.first().locator('code').innerText()
    await page.getByRole('button', { name: 'New key' }).click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Make it' }).click()
    await page.getByText('under an older key').waitFor()
    expect(await page.getByRole('button', { name: `Remove ${old}` }).count()).toBe(0)
    expect(await axe(page)).toEqual([])
    await page.getByRole('button', { name: 'Seal them under the newest' }).click()
    await page.getByRole('button', { name: `Remove ${old}` }).click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Remove it' }).click()
    await page.getByText(old).waitFor({ state: 'detached' })
    expect(await rows.count()).toBe(1)
  })
  const { items } = await ui.world.client.call('getKeys')
  expect(items).toMatchObject([{ isActive: true }])
})

test('an executor is drained and taken up again, and a run that waits for it is found in the queue and stopped', {
  timeout: 120_000,
}, async () => {
  await ui.withPage(async (page) => {
    await page.goto('/admin/executors')
    await page.getByRole('button', { name: 'Drain' }).click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Drain' }).click()
    await page.getByRole('row', { name: /draining/ }).waitFor()
    const { number } = await ui.world.createRun(ui.projectId, { late: { run: 'true' } }, { branch: 'harbour' })
    await page.getByRole('link', { name: 'Queue' }).click()
    await page.getByRole('row', { name: new RegExp(`#${number} ci user/ann/web late`) }).waitFor()
    expect(await axe(page)).toEqual([])
    await page.getByRole('link', { name: `#${number} ci` }).click()
    await page.getByRole('button', { name: 'Stop', exact: true }).click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Stop the run' }).click()
    await page.locator('.run-facts').getByText('Stopped').waitFor()

    await page.goto('/admin/executors')
    await page.getByRole('button', { name: 'Take up again' }).click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Take up again' }).click()
    await page.getByRole('row', { name: /connected/ }).waitFor()
    const busy = await ui.world.createRun(ui.projectId, { busy: { run: 'sleep 600' } }, { branch: 'harbour-2' })
    await page.getByRole('row', { name: new RegExp(`busy user/ann/web #${busy.number}`) }).waitFor()
    await page.getByRole('link', { name: 'busy' }).click()
    await expectHeading(page, 'busy')
    await ui.world.client.call('stopRun', { params: { runId: busy.id } })

    await page.goto('/projects/user.ann.web')
    await page.getByLabel('Of').selectOption('branch')
    await page.getByLabel('Name').fill('harbour')
    await expect.poll(() => page.locator('.run-row').count()).toBe(1)
    await page.getByLabel('Name').fill('nowhere')
    await page.getByText('No run is like that').waitFor()
  })
})

test('the timeline shows when tasks waited and ran, their steps, and what decided the duration', {
  timeout: 90_000,
}, async () => {
  const { id, number } = await ui.world.createRun(ui.projectId, {
    build: { run: 'sleep 1' },
    lint: { run: 'true' },
    ship: { run: 'true', depends: ['build', 'lint'] },
  })
  await ui.world.untilFinished(id)
  await ui.withPage(async (page) => {
    await page.goto(`/projects/user.ann.web/runs/${number}?view=timeline`)
    const critical = page.locator('.timeline-row[data-critical]')
    await critical.filter({ hasText: 'build' }).waitFor()
    await critical.filter({ hasText: 'ship' }).waitFor()
    expect(await critical.filter({ hasText: 'lint' }).count()).toBe(0)
    await page.getByRole('button', { name: 'Steps of build' }).click()
    await page.locator('.timeline-row[data-kind="step"]').getByText('make').waitFor()
    expect(await axe(page)).toEqual([])
  })
})
