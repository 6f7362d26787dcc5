// The executor protocol over HTTP: what both sides must agree on. The executor shows its token in every call (`authorization:
// Bearer`), and each call stands alone: any instance may take it. Errors are `{code, message, requestId}`; a 404 without our code
// means nothing, 503 means keep everything and try later.
//
//   GET  /executor/v1/self                                who the token's executor is
//   POST /executor/v1/register                            ExecutorHello -> Registration
//   GET  /executor/v1/orders?connection=&position=        server-sent events: one OrderMessage each, id = position
//   POST /executor/v1/alive                               every 15 s: the executor is there
//   POST /executor/v1/tasks/:id/report                    TaskReport -> {answer}
//   GET  /executor/v1/tasks/:id/logs/:log                 -> LogPosition
//   POST /executor/v1/tasks/:id/logs/:log/frames          a frame -> LogPosition
//   POST /executor/v1/tasks/:id/logs/:log/live?firstByte= bytes of the open frame
//   POST /executor/v1/tasks/:id/logs/:log/finish
//   POST /executor/v1/tasks/:id/uploads                   {purpose?} -> {uploadId, partBytes, isDirect?}
//   PUT  /executor/v1/tasks/:id/uploads/:upload/:part     a part; header x-slipway-sha256
//   POST /executor/v1/tasks/:id/direct/sign               DirectPartRequest -> SignedPart: the part goes to the bucket
//   PUT  /executor/v1/tasks/:id/direct/relay?...          a part of such an upload, through us; header x-slipway-sha256
//   POST /executor/v1/tasks/:id/archives/:step            UploadedArchive -> StoredArchive
//   GET  /executor/v1/tasks/:id/archives?object=&from=    bytes from an offset on; with direct=true perhaps, as JSON,
//                                                         the SignedRequest that gets them from the bucket
//   GET  /executor/v1/tasks/:id/caches?key=&exactOnly=    -> {found?}
//   POST /executor/v1/tasks/:id/caches?key=               UploadedArchive -> {answer}
//   GET  /executor/v1/tasks/:id/caches/data?object=&from= as archives

export const executorPrefix = '/executor/v1'

/** An executor says that it is there so often. */
export const aliveEveryMs = 15_000
/** The stream of orders has a comment so often. */
export const commentEveryMs = 15_000

/** Nothing was heard on the stream of orders for so long: it is broken, or a proxy holds it back. */
export const silenceMsMax = 45_000

/** A call that takes longer is answered with `upload_unfinished`, and is joined by the next one. */
export const completingMs = 20_000
