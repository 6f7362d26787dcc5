import { openInstallation } from '../service-fixture.ts'
import { executorApiContract } from './executor-api-contract.ts'

executorApiContract(async () => {
  const installation = await openInstallation()
  const executor = (id: string) => ({ id, api: installation.runservice.executorApi(id) })
  return {
    installation,
    executors: [executor('x1'), executor('x2')],
    [Symbol.asyncDispose]: () => installation[Symbol.asyncDispose](),
  }
})
