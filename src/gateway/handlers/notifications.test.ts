import { expect, test } from 'vitest'
import { aProject, aUser } from '../../configstore/configstore-fixture.ts'
import { until } from '../../lib/until-fixture.ts'
import { openTestGateway } from '../gateway-fixture.ts'

test('what could not be told is told again when somebody asks for it', async () => {
  await using gateway = await openTestGateway({ notification: true })
  await aUser(gateway.configstore, 'ann')
  const token = await gateway.tokenOf('ann')
  const { id } = await aProject(gateway.configstore, 'user/ann/web')
  const ask = async (request: string, body?: object) => {
    const answer = await gateway.ask(request, { token, ...(body === undefined ? {} : { body }) })
    return { status: answer.status, body: answer.body as { readonly id: string; readonly state: string } }
  }
  // An address of this machine is told nothing.
  const receiver = { name: 'here', kind: 'webhook', url: 'https://localhost:9/hook' }
  const created = await ask(`POST /projects/${id}/receivers`, receiver)
  const sent = await ask(`POST /projects/${id}/receivers/${created.body.id}/test`)
  const told = `/projects/${id}/notifications/${sent.body.id}`
  await until(async () => (await ask(`GET ${told}`)).body.state === 'failed', 'it failed')
  const again = await ask(`POST ${told}/resend`)
  expect(again.status).toBe(201)
  expect(again.body.id).not.toBe(sent.body.id)
  await until(async () => (await ask(`GET /projects/${id}/notifications/${again.body.id}`)).body.state === 'failed')
})
