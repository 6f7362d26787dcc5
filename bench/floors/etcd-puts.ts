// Single puts to etcd over one connection, as many at once as asked for: what a writer without group commit has at best. The
// messages are written by hand: PutRequest has key = 1 and value = 2 (etcd's rpc.proto).

import { Client, credentials } from '@grpc/grpc-js'

export class EtcdPuts implements Disposable {
  readonly #client: Client

  /** `host:port`. */
  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure())
  }

  /** Puts each value under a key of its own, `atOnce` of them on their way at any time. */
  async put(values: readonly Uint8Array[], prefix: string, atOnce: number): Promise<void> {
    let next = 0
    const work = async () => {
      for (let at = next++; at < values.length; at = next++) await this.putOne(`${prefix}${at}`, values[at]!)
    }
    await Promise.all(Array.from({ length: atOnce }, work))
  }

  putOne(key: string, value: Uint8Array): Promise<void> {
    const request = Buffer.concat([field(1, Buffer.from(key)), field(2, value)])
    const same = (bytes: Buffer) => bytes
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest('/etcdserverpb.KV/Put', same, same, request, (error) =>
        error ? reject(error) : resolve(),
      )
    })
  }

  [Symbol.dispose](): void {
    this.#client.close()
  }
}

/** A field of bytes in protobuf: tag, length as varint, bytes. */
function field(number: number, bytes: Uint8Array): Buffer {
  const head = [(number << 3) | 2]
  let length = bytes.length
  for (; length > 0x7f; length >>>= 7) head.push((length & 0x7f) | 0x80)
  head.push(length)
  return Buffer.concat([Buffer.from(head), bytes])
}
