import { afterAll } from 'vitest'
import { driverContract } from '../driver-contract.ts'
import { makeDataDir, openTestHost } from './test-host.ts'

const dataDir = makeDataDir()
afterAll(dataDir.remove)

driverContract('host', {
  open: (ownerId) => openTestHost({ ownerId, dataDir: dataDir.path }),
  image: async () => '',
  makeSocket: (path) => `perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "${path}", Listen => 1) or die'`,
})
