import { expect, test } from 'vitest'
import { signedUrl } from './signed-url.ts'

// "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)" of the S3 API reference, with its keys.
const example = {
  credentials: {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  },
  region: 'us-east-1',
  now: Date.UTC(2013, 4, 24),
  expiresMs: 86_400_000,
}
const url = new URL('https://examplebucket.s3.amazonaws.com/test.txt')

test('a URL is signed as in the example of the reference', () => {
  expect(signedUrl({ method: 'GET', url, headers: {} }, example)).toBe(
    'https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256' +
      '&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request' +
      '&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host' +
      '&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
  )
})

test('method, headers, query and hash of the body are all signed', () => {
  const signature = (headers: Readonly<Record<string, string>>, query = '', method: 'GET' | 'PUT' = 'PUT') =>
    new URL(signedUrl({ method, url: new URL(query, url), headers }, example)).searchParams.get('X-Amz-Signature')
  const given = { 'content-length': '5', 'x-amz-content-sha256': 'a'.repeat(64) }
  const signatures = [
    signature(given),
    signature(given, '', 'GET'),
    signature(given, '?partNumber=2'),
    signature({ ...given, 'content-length': '6' }),
    signature({ ...given, 'x-amz-content-sha256': 'b'.repeat(64) }),
    signature({ 'content-length': '5' }),
  ]
  expect(new Set(signatures).size).toBe(signatures.length)
})

test('a session token goes along', () => {
  const credentials = { ...example.credentials, sessionToken: 'a/b+c' }
  const signed = new URL(signedUrl({ method: 'GET', url, headers: {} }, { ...example, credentials }))
  expect(signed.searchParams.get('X-Amz-Security-Token')).toBe('a/b+c')
})
