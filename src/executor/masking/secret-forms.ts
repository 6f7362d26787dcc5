// The forms in which a secret may stand in output: as it is, and as common tools write it.

import { limits } from '../../lib/limits.ts'

/** A line of a secret is a secret when it has at least so many bytes: shorter ones (`{`, `-----`) stand everywhere. */
const lineBytesMin = 8
/** All forms of `secret`, different from one another; none when it is shorter than `limits.secretBytesMin`. */
export function formsOfSecret(secret: string): readonly Buffer[] {
  const whole = wholeForms(secret)
  if (whole.length === 0) return []
  const lines = withUnixLines(secret)
    .split('\n')
    .filter((line) => Buffer.byteLength(line) >= lineBytesMin)
  const forms = new Set([...whole, ...lines])
  for (const text of whole)
    for (const form of [...urlForms(text), ...jsonForms(text), ...shellForms(text)]) forms.add(form)
  return [...[...forms].map((form) => Buffer.from(form)), ...base64FormsOfSecret(secret)]
}

/** Those forms of `secret` that may be broken into lines anywhere. */
export function base64FormsOfSecret(secret: string): readonly Buffer[] {
  const forms = new Set(wholeForms(secret).flatMap((text) => base64Forms(Buffer.from(text))))
  return [...forms].map((form) => Buffer.from(form))
}

/** The secret with either kind of line end, and without its last one. */
function wholeForms(secret: string): readonly string[] {
  const bytesMin = limits.secretBytesMin.value
  if (Buffer.byteLength(secret) < bytesMin) return []
  const unix = withUnixLines(secret)
  const texts = new Set([secret, unix, unix.replaceAll('\n', '\r\n'), unix.replace(/\n+$/, '')])
  return [...texts].filter((text) => Buffer.byteLength(text) >= bytesMin)
}

const withUnixLines = (text: string) => text.replaceAll('\r\n', '\n')

/**
 * Of three alignments, since what stands before it shifts a secret inside base64: those characters that the secret alone
 * decides.
 */
function base64Forms(bytes: Uint8Array): string[] {
  const forms: string[] = []
  for (const before of [0, 1, 2]) {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
    const first = Math.ceil((before * 8) / 6)
    const end = Math.floor(((before + bytes.length) * 8) / 6)
    forms.push(encoded.slice(first, end))
    forms.push(encoded.slice(first, end).replaceAll('+', '-').replaceAll('/', '_'))
  }
  return forms
}

/** Kept as they are by: RFC 3986, encodeURIComponent, encodeURI, HTML forms. */
const urlSafe = [/[A-Za-z0-9._~-]/, /[A-Za-z0-9._~!'()*-]/, /[A-Za-z0-9._~!'()*;,/?:@&=+$#-]/, /[A-Za-z0-9._*-]/]

function urlForms(text: string): string[] {
  const bytes = Buffer.from(text).toString('latin1')
  return urlSafe.flatMap((safe) => {
    const escaped = (hex: (byte: number) => string) =>
      bytes.replace(/[\s\S]/g, (character) => (safe.test(character) ? character : `%${hex(character.charCodeAt(0))}`))
    const upper = escaped((byte) => byte.toString(16).toUpperCase().padStart(2, '0'))
    const lower = escaped((byte) => byte.toString(16).padStart(2, '0'))
    return [upper, lower, upper.replaceAll('%20', '+'), lower.replaceAll('%20', '+')]
  })
}

/** As JSON.stringify, with escaped slashes (PHP), safe in HTML (Go), in ASCII only (Python). */
function jsonForms(text: string): string[] {
  const plain = JSON.stringify(text).slice(1, -1)
  const unicode = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  return [
    plain,
    plain.replaceAll('/', '\\/'),
    plain.replace(/[<>&\u2028\u2029]/g, unicode),
    plain.replace(/[^\x20-\x7e]/g, unicode),
    plain.replaceAll('/', '\\/').replace(/[^\x20-\x7e]/g, unicode),
  ]
}

/** Inside single quotes, inside double quotes, by backslashes (`printf %q`), inside `$'...'`. */
function shellForms(text: string): string[] {
  const named: Readonly<Record<string, string>> = { '\n': '\\n', '\t': '\\t', '\r': '\\r', '\\': '\\\\', "'": "\\'" }
  return [
    text.replaceAll("'", `'\\''`),
    text.replaceAll("'", `'"'"'`),
    text.replace(/[\\"$`]/g, '\\$&'),
    text.replace(/[\\"$`!]/g, '\\$&'),
    text.replace(/[^A-Za-z0-9_./:=@%+,\u0080-\u{10ffff}-]/gu, '\\$&'),
    text.replace(/[\n\t\r\\']/g, (character) => named[character] ?? character),
  ]
}
