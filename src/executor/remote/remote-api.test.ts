import { executorApiContract } from '../../runservice/executors/executor-api-contract.ts'
import { serveInstallation } from './served-installation-fixture.ts'

executorApiContract(async () => {
  const installation = await serveInstallation()
  return {
    installation,
    executors: [await installation.client('one'), await installation.client('two')],
    [Symbol.asyncDispose]: () => installation[Symbol.asyncDispose](),
  }
})
