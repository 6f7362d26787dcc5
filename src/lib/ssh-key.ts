// Key pairs of ssh, in the forms that OpenSSH reads: its own format for the private half (PROTOCOL.key in its sources), for it reads keys
// of this kind in no other.

import { generateKeyPairSync, randomBytes } from 'node:crypto'

export type SshKey = {
  /** OpenSSH private key, without a passphrase. */
  readonly privateKey: string
  /** One line, as in authorized_keys. */
  readonly publicKey: string
}

const keyType = 'ssh-ed25519'
const magic = Buffer.from('openssh-key-v1\0')
const blockBytes = 8
const lineCharacters = 70

/** A new Ed25519 key. `comment`: one line, for people. */
export function newSshKey(comment: string): SshKey {
  const { privateKey } = generateKeyPairSync('ed25519')
  const { x = '', d = '' } = privateKey.export({ format: 'jwk' })
  const [publicBytes, seed] = [Buffer.from(x, 'base64url'), Buffer.from(d, 'base64url')]
  const publicBlob = Buffer.concat([field(keyType), field(publicBytes)])
  const check = randomBytes(4)
  const secret = Buffer.concat([
    check,
    check,
    publicBlob,
    field(Buffer.concat([seed, publicBytes])),
    field(comment.replaceAll(/[\r\n]/g, ' ')),
  ])
  const file = Buffer.concat([
    magic,
    field('none'), // cipher
    field('none'), // key derivation
    field(''),
    uint32(1),
    field(publicBlob),
    field(padded(secret)),
  ])
  const lines = file.toString('base64').match(new RegExp(`.{1,${lineCharacters}}`, 'g')) ?? []
  return {
    privateKey: ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n'),
    publicKey: `${keyType} ${publicBlob.toString('base64')} ${comment.replaceAll(/[\r\n]/g, ' ')}`,
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function field(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([uint32(bytes.length), bytes])
}

/** With 1, 2, 3 and so on up to a whole block. */
function padded(bytes: Buffer): Buffer {
  const missing = (blockBytes - (bytes.length % blockBytes)) % blockBytes
  return Buffer.concat([bytes, Buffer.from(Array.from({ length: missing }, (_, index) => index + 1))])
}
