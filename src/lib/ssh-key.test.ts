// Keys that OpenSSH itself reads.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { newSshKey } from './ssh-key.ts'

test.each(['', 'slipway', 'a', 'ab', 'abc', 'slipway\nproject 1'])(
  'OpenSSH reads both halves of a key with the comment %j',
  (comment) => {
    const folder = mkdtempSync(join(tmpdir(), 'slipway-key-'))
    try {
      const { privateKey, publicKey } = newSshKey(comment)
      const file = join(folder, 'key')
      writeFileSync(file, privateKey, { mode: 0o600 })
      const read = execFileSync('ssh-keygen', ['-y', '-P', '', '-f', file], { encoding: 'utf8' })
      expect(read.trim()).toBe(publicKey.trim())
      expect(publicKey).not.toContain('\n')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)

test('no two keys are the same', () => {
  expect(newSshKey('a').publicKey).not.toBe(newSshKey('a').publicKey)
})
