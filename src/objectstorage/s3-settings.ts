// How a bucket is reached.

import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'

export type S3Settings = {
  /** `http://` or `https://` with host and port; by default Amazon's of the region. */
  readonly endpoint?: string
  /** Servers other than Amazon's mostly take any. */
  readonly region: string
  /** Must exist. */
  readonly bucket: string
  /** In front of all keys, so that several storages share a bucket: empty, or ending with a slash. */
  readonly prefix?: string
  /** By default those of the environment: AWS_ variables, ~/.aws, the role of the machine or container. */
  readonly credentials?: S3Credentials
  /** `ENDPOINT/BUCKET` instead of `BUCKET.ENDPOINT`. By default when there is an endpoint. */
  readonly pathStyle?: boolean
  /** PEM file with certificate authorities that are trusted besides the usual ones. */
  readonly caFile?: string
  /** Whether others get signed URLs for archives; default true. Without, everything passes through whoever has the keys. */
  readonly signedUrls?: boolean
  /** As `endpoint`, where others reach the bucket, when it is another address. Signed URLs lead there. */
  readonly publicEndpoint?: string
  /** Where `create` puts data of more than 8 MiB until it is complete; by default the system's temporary directory. */
  readonly spoolFolder?: string
}

export type S3Credentials = {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** Throws `object_storage_config` for what cannot be meant. */
export function checkS3Settings(settings: S3Settings): void {
  const fault = faultOf(settings)
  if (fault !== undefined) throw new SlipwayError('object_storage_config', `object storage: ${fault}`)
}

function faultOf({ endpoint, publicEndpoint, region, bucket, prefix = '' }: S3Settings): string | undefined {
  if (region === '') return 'region is empty'
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/.test(bucket))
    return `bucket ${JSON.stringify(bucket)} is not a name of a bucket`
  const endpointFault = faultOfEndpoint('endpoint', endpoint) ?? faultOfEndpoint('publicEndpoint', publicEndpoint)
  if (endpointFault !== undefined) return endpointFault
  if (prefix === '') return undefined
  const segments = prefix.split('/')
  if (segments.pop() !== '' || segments.some((segment) => ['', '.', '..'].includes(segment)) || !prefix.isWellFormed())
    return `prefix ${JSON.stringify(prefix)} is not of the form a/b/`
  if (Buffer.byteLength(prefix) > limits.objectPrefixBytes.value)
    return `prefix is longer than ${limits.objectPrefixBytes.value} bytes`
  return undefined
}

function faultOfEndpoint(name: string, endpoint: string | undefined): string | undefined {
  if (endpoint === undefined) return undefined
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol))
    return `${name} ${JSON.stringify(endpoint)} is not a URL that begins with http:// or https://`
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    return `${name} has more than a host, port and path`
  return undefined
}
