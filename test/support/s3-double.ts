// An S3 server in memory for what a real one cannot be made to do: it fails, hangs, cuts connections and loses answers on
// demand. It runs the same contract suite as the real one. It does not check signatures.

import { createHash, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { collectBytes } from '../../src/lib/bytes.ts'
import type { S3Settings } from '../../src/objectstorage/s3-settings.ts'

export type S3Operation =
  | 'PutObject'
  | 'GetObject'
  | 'HeadObject'
  | 'DeleteObject'
  | 'ListObjects'
  | 'CreateUpload'
  | 'UploadPart'
  | 'CompleteUpload'
  | 'AbortUpload'
  | 'ListUploads'

export type S3Request = {
  readonly operation: S3Operation
  readonly key: string
  readonly headers: IncomingMessage['headers']
}

export type S3Fault =
  /** Answers that instead of doing it. */
  | { readonly kind: 'status'; readonly status: number; readonly code: string }
  /** Cuts the connection instead of doing it. */
  | { readonly kind: 'reset' }
  /** Does it, and cuts the connection instead of answering. */
  | { readonly kind: 'loseAnswer' }
  /** Neither does it nor answers. */
  | { readonly kind: 'hang' }
  /** Sends so many bytes of the object and cuts the connection, or sends nothing more. */
  | { readonly kind: 'cut' | 'stall'; readonly afterBytes: number }

export type S3DoubleOptions = {
  readonly bucket?: string
  /** Objects per page of a listing; small, so that short listings have several. */
  readonly pageKeys?: number
  /** Takes If-None-Match for any other header, as some servers do. */
  readonly ignoresConditions?: boolean
  /** As directory buckets do, which have no order at all. */
  readonly listsBackwards?: boolean
  /** How far its clock is ahead. */
  readonly clockAheadMs?: number
  readonly tls?: { readonly key: string; readonly cert: string }
}

type StoredObject = {
  readonly data: Buffer
  readonly etag: string
  readonly metadata: Readonly<Record<string, string>>
  readonly modified: Date
}
type Upload = {
  readonly key: string
  readonly metadata: Readonly<Record<string, string>>
  readonly parts: Map<number, { data: Buffer; etag: string }>
  initiated: Date
}

const accessKeyId = 'double'
const partBytesMin = 5 * 1024 * 1024
const skewMsMax = 15 * 60_000

export class S3Double implements AsyncDisposable {
  readonly objects = new Map<string, StoredObject>()
  readonly uploads = new Map<string, Upload>()
  readonly requests: S3Request[] = []
  /** Asked for every request after its body has come. */
  fault: (request: S3Request) => S3Fault | undefined = () => undefined
  /** Most requests of a kind that were there at once. */
  readonly mostAtOnce = new Map<S3Operation, number>()
  readonly #atOnce = new Map<S3Operation, number>()
  readonly #creating = new Set<string>()
  readonly #options: S3DoubleOptions
  readonly #server: Server
  #port = 0

  private constructor(options: S3DoubleOptions) {
    this.#options = options
    const handle = (request: IncomingMessage, response: ServerResponse) => {
      this.#handle(request, response).catch(() => request.socket.destroy())
    }
    this.#server = options.tls === undefined ? createServer(handle) : createTlsServer(options.tls, handle)
  }

  static async start(options: S3DoubleOptions = {}): Promise<S3Double> {
    const double = new S3Double(options)
    await new Promise<void>((resolve) => double.#server.listen(0, '127.0.0.1', resolve))
    double.#port = (double.#server.address() as { port: number }).port
    return double
  }

  get settings(): S3Settings {
    const scheme = this.#options.tls === undefined ? 'http' : 'https'
    const credentials = { accessKeyId, secretAccessKey: 'any' }
    return { endpoint: `${scheme}://127.0.0.1:${this.#port}`, region: 'us-east-1', bucket: this.#bucket, credentials }
  }

  /** How many requests of that kind there were. */
  count(operation: S3Operation): number {
    return this.requests.filter((request) => request.operation === operation).length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  get #bucket(): string {
    return this.#options.bucket ?? 'bucket'
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(`http://double${incoming.url}`)
    const [, bucket = '', ...rest] = url.pathname.split('/')
    const key = decodeURIComponent(rest.join('/'))
    const operation = operationOf(incoming.method ?? '', key, url.searchParams)
    const request = { operation, key, headers: incoming.headers }
    const atOnce = (this.#atOnce.get(operation) ?? 0) + 1
    this.#atOnce.set(operation, atOnce)
    this.mostAtOnce.set(operation, Math.max(atOnce, this.mostAtOnce.get(operation) ?? 0))
    response.on('close', () => this.#atOnce.set(operation, this.#atOnce.get(operation)! - 1))
    const isCreating = operation === 'PutObject' && request.headers['if-none-match'] === '*'
    // As Amazon's: of conditional writes that are under way at the same time some are told to come again.
    const isConflict = isCreating && this.#creating.has(key)
    if (isCreating && !isConflict) this.#creating.add(key)
    try {
      const body = await collectBytes(incoming)
      this.requests.push(request)
      const fault = this.fault(request)
      if (fault?.kind === 'hang') return
      if (fault?.kind === 'reset') return void incoming.socket.destroy()
      const now = Date.now() + (this.#options.clockAheadMs ?? 0)
      response.setHeader('date', new Date(now).toUTCString())
      const answer =
        fault?.kind === 'status'
          ? failed(fault.status, fault.code)
          : bucket !== this.#bucket
            ? failed(404, 'NoSuchBucket')
            : (refusalOf(request, body, now) ??
              (isConflict ? failed(409, 'ConditionalRequestConflict') : this.#answer(request, url.searchParams, body)))
      if (fault?.kind === 'loseAnswer') return void incoming.socket.destroy()
      send(response, operation, answer, fault)
    } finally {
      if (isCreating && !isConflict) this.#creating.delete(key)
    }
  }

  #answer({ operation, key, headers }: S3Request, query: URLSearchParams, body: Buffer): Answer {
    const object = this.objects.get(key)
    const upload = this.uploads.get(query.get('uploadId') ?? '')
    switch (operation) {
      case 'PutObject':
        if (headers['if-none-match'] === '*' && object !== undefined && !this.#options.ignoresConditions)
          return failed(412, 'PreconditionFailed')
        return { status: 200, headers: { etag: this.#store(key, body, metadataOf(headers)) } }
      case 'GetObject':
      case 'HeadObject':
        return object === undefined ? failed(404, 'NoSuchKey') : answerObject(object, headers)
      case 'DeleteObject':
        this.objects.delete(key)
        return { status: 204 }
      case 'ListObjects':
        return this.#listObjects(query)
      case 'CreateUpload': {
        const id = randomUUID()
        this.uploads.set(id, { key, metadata: metadataOf(headers), parts: new Map(), initiated: new Date() })
        return xml('InitiateMultipartUploadResult', `<UploadId>${id}</UploadId>`)
      }
      case 'UploadPart': {
        if (upload === undefined) return failed(404, 'NoSuchUpload')
        const etag = etagOf(body)
        upload.parts.set(Number(query.get('partNumber')), { data: body, etag })
        return { status: 200, headers: { etag } }
      }
      case 'CompleteUpload':
        return upload === undefined ? failed(404, 'NoSuchUpload') : this.#complete(query.get('uploadId')!, upload, body)
      case 'AbortUpload':
        return this.uploads.delete(query.get('uploadId') ?? '') ? { status: 204 } : failed(404, 'NoSuchUpload')
      case 'ListUploads':
        return xml('ListMultipartUploadsResult', [...this.uploads].map(([id, each]) => uploadXml(id, each)).join(''))
    }
  }

  #listObjects(query: URLSearchParams): Answer {
    const prefix = query.get('prefix') ?? ''
    const after = Buffer.from(query.get('continuation-token') ?? query.get('start-after') ?? '')
    const pageKeys = Math.min(Number(query.get('max-keys') ?? 1000), this.#options.pageKeys ?? 1000)
    const keys = [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix) && Buffer.compare(Buffer.from(key), after) > 0)
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    const page = keys.slice(0, pageKeys)
    const isTruncated = keys.length > page.length
    if (this.#options.listsBackwards) page.reverse()
    const contents = page.map((key) => contentsXml(key, this.objects.get(key)!)).join('')
    const token = isTruncated ? `<NextContinuationToken>${escapeXml(page.at(-1)!)}</NextContinuationToken>` : ''
    return xml('ListBucketResult', `<IsTruncated>${isTruncated}</IsTruncated>${token}${contents}`)
  }

  #complete(id: string, upload: Upload, body: Buffer): Answer {
    const listed = [...body.toString().matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, text = '']) => ({
      number: Number(/<PartNumber>(\d+)</.exec(text)?.[1]),
      etag: /<ETag>(.*?)</.exec(text)?.[1]?.replaceAll('&quot;', '"') ?? '',
    }))
    const parts = listed.map(({ number, etag }) => {
      const part = upload.parts.get(number)
      return part?.etag === etag ? part.data : undefined
    })
    if (listed.length === 0 || parts.includes(undefined)) return failed(400, 'InvalidPart')
    if (listed.some(({ number }, index) => index > 0 && number <= listed[index - 1]!.number))
      return failed(400, 'InvalidPartOrder')
    if (parts.slice(0, -1).some((part) => part!.length < partBytesMin)) return failed(400, 'EntityTooSmall')
    this.uploads.delete(id)
    const etag = this.#store(upload.key, Buffer.concat(parts as Buffer[]), upload.metadata)
    return xml('CompleteMultipartUploadResult', `<ETag>${escapeXml(etag)}</ETag>`)
  }

  #store(key: string, data: Buffer, metadata: Readonly<Record<string, string>>): string {
    const etag = etagOf(data)
    this.objects.set(key, { data, etag, metadata, modified: new Date() })
    return etag
  }
}

type Answer = {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | string
}

function operationOf(method: string, key: string, query: URLSearchParams): S3Operation {
  if (key === '') return query.has('uploads') ? 'ListUploads' : 'ListObjects'
  if (method === 'POST') return query.has('uploads') ? 'CreateUpload' : 'CompleteUpload'
  if (method === 'PUT') return query.has('uploadId') ? 'UploadPart' : 'PutObject'
  if (method === 'DELETE') return query.has('uploadId') ? 'AbortUpload' : 'DeleteObject'
  return method === 'HEAD' ? 'HeadObject' : 'GetObject'
}

function refusalOf({ headers }: S3Request, body: Buffer, now: number): Answer | undefined {
  if (!headers.authorization?.includes(`Credential=${accessKeyId}/`)) return failed(403, 'InvalidAccessKeyId')
  const date = String(headers['x-amz-date']).replace(/(....)(..)(..T..)(..)(..Z)/, '$1-$2-$3:$4:$5')
  if (!(Math.abs(Date.parse(date) - now) < skewMsMax)) return failed(403, 'RequestTimeTooSkewed')
  const hash = headers['x-amz-content-sha256']
  if (/^[0-9a-f]{64}$/.test(String(hash)) && createHash('sha256').update(body).digest('hex') !== hash)
    return failed(400, 'XAmzContentSHA256Mismatch')
  return undefined
}

function answerObject(object: StoredObject, headers: IncomingMessage['headers']): Answer {
  if (headers['if-match'] !== undefined && headers['if-match'] !== object.etag) return failed(412, 'PreconditionFailed')
  const metadata = Object.entries(object.metadata).map(([name, value]) => [`x-amz-meta-${name}`, value])
  const common = { etag: object.etag, 'last-modified': object.modified.toUTCString(), ...Object.fromEntries(metadata) }
  const range = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '')
  if (range === null) return { status: 200, headers: common, body: object.data }
  const start = Number(range[1])
  const end = Math.min(range[2] === '' ? Number.POSITIVE_INFINITY : Number(range[2]) + 1, object.data.length)
  if (start >= object.data.length) return failed(416, 'InvalidRange')
  const contentRange = `bytes ${start}-${end - 1}/${object.data.length}`
  return { status: 206, headers: { ...common, 'content-range': contentRange }, body: object.data.subarray(start, end) }
}

function send(response: ServerResponse, operation: S3Operation, answer: Answer, fault: S3Fault | undefined): void {
  const body = Buffer.from(answer.body ?? '')
  response.writeHead(answer.status, { ...answer.headers, 'content-length': body.length })
  if (operation === 'HeadObject') return void response.end()
  if (fault?.kind !== 'cut' && fault?.kind !== 'stall') return void response.end(body)
  response.write(body.subarray(0, fault.afterBytes), () => {
    if (fault.kind === 'cut') response.socket?.destroy()
  })
}

function metadataOf(headers: IncomingMessage['headers']): Record<string, string> {
  const own = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-'))
  return Object.fromEntries(own.map(([name, value]) => [name.slice('x-amz-meta-'.length), String(value)]))
}

const etagOf = (data: Buffer) => `"${createHash('md5').update(data).digest('hex')}"`

const escapeXml = (text: string) => text.replace(/[&<>"\n\r\t]/g, (character) => `&#${character.charCodeAt(0)};`)

/** As Amazon's: a space is a plus. */
const encodeKey = (key: string) => encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/')

function contentsXml(key: string, { data, etag, modified }: StoredObject): string {
  const size = `<Size>${data.length}</Size><LastModified>${modified.toISOString()}</LastModified>`
  return `<Contents><Key>${encodeKey(key)}</Key><ETag>${escapeXml(etag)}</ETag>${size}</Contents>`
}

function uploadXml(id: string, { key, initiated }: Upload): string {
  const time = `<Initiated>${initiated.toISOString()}</Initiated>`
  return `<Upload><Key>${encodeKey(key)}</Key><UploadId>${id}</UploadId>${time}</Upload>`
}

function xml(name: string, content: string): Answer {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<${name}>${content}</${name}>`
  return { status: 200, headers: { 'content-type': 'application/xml' }, body }
}

function failed(status: number, code: string): Answer {
  return { ...xml('Error', `<Code>${code}</Code><Message>of the double</Message>`), status }
}
