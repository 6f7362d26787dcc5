// Interfaces of services between processes. An interface whose methods take JSON values and abort signals and give a promise
// of JSON, a stream of JSON or a stream of bytes is served under one address each method, and called as if it were here.
//
//   POST <prefix>/<method>   {"args": [...]}            authorization: Bearer <token of the installation's services>
//   call    200 {"result": ...}
//   stream  200 application/x-ndjson: {"item": ...} per line, at the end {"end": true} or {"error": {code, message}}
//   bytes   200 application/octet-stream; cut short when the method fails
//
// An argument that is undefined travels as {"$": "undefined"}, an AbortSignal as {"$": "signal"}: the other side puts in one that is
// aborted when the connection is. Members that a side does not know are ignored.
//
// Both sides name the protocol they speak and the oldest they understand: `slipway-protocol: 2 1`; nothing means 1. A side that one does
// not understand, or that lacks a method, is answered with `protocol_unsupported`, and nothing was done: the caller asks the next instance.
// Errors keep code and message; those of kind `internal` become `upstream` and are logged where they
// happened.

/** How the methods of an interface answer; methods that are not named cannot be called. */
export type RpcMethods<T> = { readonly [M in keyof T]?: 'call' | 'stream' | 'bytes' }

export const marker = '$'

export const protocolHeader = 'slipway-protocol'

/** Counted up when calls come to mean something else; what is only added, a member or a method, needs no new number. */
export type RpcProtocol = { readonly speaks: number; readonly oldest: number }

export const rpcProtocol: RpcProtocol = { speaks: 1, oldest: 1 }

export function formatProtocol({ speaks, oldest }: RpcProtocol): string {
  return `${speaks} ${oldest}`
}

/** Undefined for what is no protocol; without the header it is that of the first version. */
export function parseProtocol(header: string | undefined): RpcProtocol | undefined {
  if (header === undefined) return { speaks: 1, oldest: 1 }
  const [, speaks, oldest] = /^(\d{1,6}) (\d{1,6})$/.exec(header) ?? []
  return speaks === undefined ? undefined : { speaks: Number(speaks), oldest: Number(oldest) }
}

/** Which of the two has to be upgraded; undefined when they understand each other. */
export function olderSide(mine: RpcProtocol, other: RpcProtocol): 'mine' | 'other' | undefined {
  if (other.speaks < mine.oldest) return 'other'
  return mine.speaks < other.oldest ? 'mine' : undefined
}

/** Bytes between the connection and its end that say all is well: an NDJSON stream that ends without is cut. */
export type StreamLine =
  | { readonly item: unknown }
  | { readonly end: true }
  | { readonly error: { readonly code: string; readonly message: string } }
