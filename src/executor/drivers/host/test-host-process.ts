// An executor for crash tests, to be killed: opens the host driver on the data directory it is given, then makes pods, or
// one pod with a step that prints numbers. Prints a line when it begins.

import { randomUUID } from 'node:crypto'
import { aContainer, aStep } from '../driver-contract.ts'
import { openTestHost } from './test-host.ts'

const [dataDir = '', task, podId = '', lines = ''] = process.argv.slice(2)
const never = new AbortController().signal
const aSpec = (id: string) =>
  ({ id, containers: [aContainer({ image: '' })], user: '', registryAuth: {}, pull: 'never' }) as const

const driver = await openTestHost({ dataDir })
if (task === 'numbers') {
  const pod = await driver.createPod(aSpec(podId), { log: () => {}, signal: never })
  const script = `for i in $(seq 1 ${lines}); do echo $i; test $((i % 100)) != 0 || sleep 0.01; done`
  const step = await pod.start(aStep({ id: 'numbers', script }), never)
  console.log('begun')
  for await (const _ of step.output());
} else {
  console.log('begun')
  for (;;) {
    const pod = await driver.createPod(aSpec(randomUUID()), { log: () => {}, signal: never })
    await pod.remove(never)
  }
}
