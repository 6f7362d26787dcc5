// The contract on the server in memory that the tests of failures use, so that it cannot drift from a real one.

import { S3Double } from '../../test/support/s3-double.ts'
import { objectStorageContract } from './object-storage-contract.ts'
import { openS3ObjectStorage } from './s3.ts'

objectStorageContract('s3 (in memory)', async () => {
  const double = await S3Double.start({ pageKeys: 5 })
  const ost = await openS3ObjectStorage(double.settings)
  const dispose = ost[Symbol.asyncDispose].bind(ost)
  ost[Symbol.asyncDispose] = async () => {
    await dispose()
    await double[Symbol.asyncDispose]()
  }
  return ost
})
