import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { findHelperBinary, hostArch } from './helper-binary.ts'

test.each(['amd64', 'arm64'])('the helper for %s is the one whose hash is kept beside it', async (arch) => {
  const { path, sha256, bytes } = await findHelperBinary(arch)
  const hashes = await readFile(join(dirname(path), 'SHA256SUMS'), 'utf8')
  expect(hashes.split('\n')).toContain(`${sha256}  slipway-pod-linux-${arch}`)
  expect(Buffer.from(bytes.subarray(0, 4)).toString('latin1')).toBe('\x7fELF')
})

test('an architecture without helper is named, with how to make it', async () => {
  await expect(findHelperBinary('riscv64')).rejects.toMatchObject({
    code: 'driver_unsupported',
    message: expect.stringContaining('helper/dist/slipway-pod-linux-riscv64 is missing'),
  })
})

test('this machine has a name of Go', () => {
  expect(['amd64', 'arm64', 'arm', '386']).toContain(hostArch())
})
