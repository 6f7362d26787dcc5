// Interfaces of services between processes. An interface whose methods take JSON values and abort signals and give a promise
// of JSON, a stream of JSON or a stream of bytes is served under one address each method, and called as if it were here.
//
//   POST <prefix>/<method>   {"args": [...]}            authorization: Bearer <token of the installation's services>
//   call    200 {"result": ...}
//   stream  200 application/x-ndjson: {"item": ...} per line, at the end {"end": true} or {"error": {code, message}}
//   bytes   200 application/octet-stream; cut short when the method fails
//
// An argument that is undefined travels as {"$": "undefined"}, an AbortSignal as {"$": "signal"}: the other side puts in one that is
// aborted when the connection is. Errors keep code and message; those of kind `internal` become `upstream` and are logged where they
// happened.

/** How the methods of an interface answer; methods that are not named cannot be called. */
export type RpcMethods<T> = { readonly [M in keyof T]?: 'call' | 'stream' | 'bytes' }

export const marker = '$'

/** Bytes between the connection and its end that say all is well: an NDJSON stream that ends without is cut. */
export type StreamLine =
  | { readonly item: unknown }
  | { readonly end: true }
  | { readonly error: { readonly code: string; readonly message: string } }
