// A git server as a process of its own, which kills itself before or after a call of its storage that changes something:
//
//   node killed-server-fixture.ts FOLDER CALL before|after     CALL counts from 1; 0 is none
//
// Says where it listens in its first line.

import type { ObjectStorage } from '../objectstorage/object-storage.ts'
import { startGitserver } from './gitserver-fixture.ts'

const [folder = '', callText = '0', when = 'before'] = process.argv.slice(2)
const fatalCall = Number(callText)
let calls = 0

async function counted<T>(call: () => Promise<T>): Promise<T> {
  const isFatal = ++calls === fatalCall
  if (isFatal && when === 'before') process.kill(process.pid, 'SIGKILL')
  const result = await call()
  if (isFatal) process.kill(process.pid, 'SIGKILL')
  return result
}

const server = await startGitserver({
  folder,
  instance: `instance-${process.pid}`,
  storage: (storage): ObjectStorage => ({
    put: (...args) => counted(() => storage.put(...args)),
    create: (...args) => counted(() => storage.create(...args)),
    delete: (...args) => storage.delete(...args),
    read: (...args) => storage.read(...args),
    stat: (...args) => storage.stat(...args),
    list: (...args) => storage.list(...args),
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  }),
})
process.stdout.write(`${server.url}\n`)
