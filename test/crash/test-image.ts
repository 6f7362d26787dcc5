// The image of crash tests with docker: static busybox, made without a registry.

import { Engine } from '../../src/executor/drivers/docker/engine.ts'
import { engineAddresses } from '../../src/executor/drivers/docker/engine-address.ts'
import { makeTestImage } from '../../src/executor/drivers/docker/test-image.ts'
import { systemClock as clock } from '../../src/lib/clock.ts'

/** Its reference, made when missing. Fails when no engine can be reached. */
export async function findTestImage(): Promise<string> {
  let failure: unknown
  for (const address of engineAddresses(undefined, process.env)) {
    try {
      await using engine = await Engine.open({ address, clock })
      return await makeTestImage(engine)
    } catch (error) {
      failure = error
    }
  }
  throw failure
}
