import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createMasker, createMasking, type Masker } from './masker.ts'
import { base64FormsOfSecret, formsOfSecret } from './secret-forms.ts'
import { wrappedColumnsMax } from './wrapped-base64.ts'

const isBreak = (byte: number | undefined) => byte === 10 || byte === 13

/** The end of a form that begins at `start` and has line breaks inside, or undefined. */
function endOfWrapped(raw: Buffer, form: Buffer, start: number): number | undefined {
  let isBroken = false
  let at = start
  for (let done = 0; done < form.length; ) {
    if (raw[at] === form[done]) {
      at++
      done++
      continue
    }
    if (done === 0 || !isBreak(raw[at])) return undefined
    const isFirstValid = raw[at] === 10 || raw[at + 1] === 10
    if (!isBroken && (done > wrappedColumnsMax || !isFirstValid)) return undefined
    isBroken = true
    while (isBreak(raw[at])) at++
  }
  return isBroken ? at : undefined
}

/** Every byte of every occurrence of every form, found one by one. */
function maskNaively(raw: Buffer, secrets: readonly string[]): string {
  const intervals: { start: number; end: number }[] = []
  for (const form of secrets.flatMap(formsOfSecret))
    for (let at = raw.indexOf(form); at !== -1; at = raw.indexOf(form, at + 1))
      intervals.push({ start: at, end: at + form.length })
  for (const form of secrets.flatMap(base64FormsOfSecret))
    for (let at = raw.indexOf(form[0]!); at !== -1; at = raw.indexOf(form[0]!, at + 1)) {
      const end = endOfWrapped(raw, form, at)
      if (end !== undefined) intervals.push({ start: at, end })
    }
  intervals.sort((a, b) => a.start - b.start)
  const parts: Buffer[] = []
  let at = 0
  for (let index = 0; index < intervals.length; ) {
    const { start } = intervals[index]!
    let { end } = intervals[index]!
    for (; index < intervals.length && (intervals[index]!.start < end || intervals[index]!.start === start); index++)
      end = Math.max(end, intervals[index]!.end)
    parts.push(raw.subarray(at, start), Buffer.from('***'))
    at = end
  }
  return Buffer.concat([...parts, raw.subarray(at)]).toString('latin1')
}

function maskInChunks(masker: Masker, raw: Buffer, cuts: readonly number[]): { text: string; safe: number[] } {
  const bounds = [0, ...cuts.map((cut) => Math.min(cut, raw.length)).sort((a, b) => a - b), raw.length]
  const safe: number[] = []
  let text = ''
  for (const [index, end] of bounds.slice(1).entries()) {
    const chunk = Buffer.from(raw.subarray(bounds[index], end))
    const { bytes, rawBytes } = masker.push(chunk)
    chunk.fill(0) // The caller may reuse it.
    text += Buffer.from(bytes).toString('latin1')
    safe.push(rawBytes)
  }
  return { text: text + Buffer.from(masker.end().bytes).toString('latin1'), safe }
}

const maskAll = (raw: string, ...secrets: string[]) => createMasking(secrets).maskText(raw)

test.each([
  ['a secret', 'say hunter22 again', ['hunter22'], 'say *** again'],
  ['nothing else', 'say hunter2 again', ['hunter22'], 'say hunter2 again'],
  ['a secret that is all', 'hunter22', ['hunter22'], '***'],
  ['secrets that touch, each', 'hunter22hunter22', ['hunter22'], '******'],
  ['the longer of two', 'hunter22-long', ['hunter22', 'hunter22-long'], '***'],
  ['one inside another', 'xxhunter22xx', ['hunter22', 'xxhunter22xx'], '***'],
  ['secrets that overlap, wholly', 'abcdefghijkl', ['abcdefgh', 'efghijkl'], '***'],
  ['a secret that overlaps itself', 'abcabcabcab', ['abcabcab'], '***'],
  ['secrets with bytes beyond ASCII', 'pässwörter', ['pässwört'], '***er'],
  ['no secrets', 'hunter22', [], 'hunter22'],
])('of %s', (_, raw, secrets, expected) => {
  expect(maskAll(raw, ...secrets)).toBe(expected)
})

test('secrets of less than 6 bytes are not masked, and that is said', () => {
  const masking = createMasking(['12345', '123456', ''])
  expect(masking.tooShort).toEqual([0, 2])
  expect(masking.maskText('12345 123456')).toBe('12345 ***')
})

describe('forms', () => {
  const secret = `it's a "50% $ecret"\\<&>/ü`
  test.each([
    ['a URL component', encodeURIComponent(secret)],
    ['a URL component in lower case', encodeURIComponent(secret).replace(/%../g, (hex) => hex.toLowerCase())],
    ['a URL', encodeURI(secret)],
    ['a form', new URLSearchParams({ v: secret }).toString().slice(2)],
    ['JSON', JSON.stringify(secret).slice(1, -1)],
    ['JSON of PHP', JSON.stringify(secret).slice(1, -1).replaceAll('/', '\\/')],
    ['JSON in ASCII', JSON.stringify(secret).slice(1, -1).replace('ü', '\\u00fc')],
    ['a shell trace', `it'\\''s a "50% $ecret"\\<&>/ü`],
    ['double quotes', `it's a \\"50% \\$ecret\\"\\\\<&>/ü`],
    ['printf %q', `it\\'s\\ a\\ \\"50%\\ \\$ecret\\"\\\\\\<\\&\\>/ü`],
    ["$'...'", `it\\'s a "50% $ecret"\\\\<&>/ü`],
  ])('a secret is masked in %s', (_, form) => {
    expect(maskAll(`<${form}>`, secret)).toBe('<***>')
  })

  test.each([0, 1, 2, 3, 4, 5])('a secret is masked in base64 behind %i other bytes', (before) => {
    const encoded = Buffer.from(`${'x'.repeat(before)}my-secret-value~~~???tail`).toString('base64')
    const masked = maskAll(encoded, 'my-secret-value~~~???')
    // What stays is what the neighbours decide, too.
    expect(masked).toMatch(/^.{0,8}\*\*\*.{0,8}$/)
    const url = maskAll(encoded.replaceAll('+', '-').replaceAll('/', '_'), 'my-secret-value~~~???')
    expect(url).toMatch(/^.{0,8}\*\*\*.{0,8}$/)
  })

  test.each(['\n', '\r\n'])('a long secret is masked in base64 that is wrapped by %j', (newline) => {
    const long = Array.from({ length: 40 }, (_, n) => `part${n};`).join('')
    const wrapped = Buffer.from(long).toString('base64').replace(/.{76}/g, `$&${newline}`)
    expect(maskAll(wrapped, long).replace(/=+$/, '').length).toBeLessThanOrEqual(4)
  })

  test.each(
    ['\n', '\r\n'].flatMap((newline) =>
      [76, 64, 10].flatMap((columns) =>
        Array.from({ length: columns + 3 }, (_, before) => [before, newline, columns] as const),
      ),
    ),
  )('a secret is masked in base64 behind %i bytes, wrapped by %j at %i columns', (before, newline, columns) => {
    const secret = 'a secret of some length, as tokens have it'
    const plain = `${'x'.repeat(before)}${secret}and what follows`
    const wrapped = Buffer.from(plain)
      .toString('base64')
      .replace(new RegExp(`.{${columns}}`, 'g'), `$&${newline}`)
    const masked = maskAll(wrapped, secret)
    expect(masked.match(/\*\*\*/g)).toEqual(['***'])
    const around = Math.ceil((before * 4) / 3) + Math.ceil(('and what follows'.length * 4) / 3)
    expect(masked.replace('***', '').replaceAll(newline, '').length).toBeLessThanOrEqual(around + 6)
  })

  test('what is broken into lines otherwise than base64 is, or is none, stays', () => {
    const secret = 'a secret of some length, as tokens have it'
    const encoded = Buffer.from(secret).toString('base64')
    const half = (separator: string) => `${encoded.slice(0, 20)}${separator}${encoded.slice(20)}`
    for (const separator of ['\r', '\r\r\n', ' \n', '\n ', '']) {
      const raw = half(separator)
      expect(maskAll(raw, secret) === raw, JSON.stringify(separator)).toBe(separator !== '')
    }
    expect(maskAll(`${secret.slice(0, 9)}\n${secret.slice(9)}`, secret)).toContain('\n')
  })

  const pem = '-----BEGIN KEY-----\nMIIBVgIBADANBgkq\nhkiG9w0BAQEFAASC\n}\n-----END KEY-----\n'
  test.each([
    ['as it is', pem, '***'],
    ['with Windows line ends', pem.replaceAll('\n', '\r\n'), '***'],
    ['without its last newline', pem.trimEnd(), '***'],
    ['line by line', 'a MIIBVgIBADANBgkq b\n}\nc hkiG9w0BAQEFAASC', 'a *** b\n}\nc ***'],
    ['in JSON', JSON.stringify(pem), '"***"'],
    ['in one line', pem.replaceAll('\n', ' '), '*** *** *** } *** '],
  ])('a secret of several lines is masked %s', (_, raw, expected) => {
    expect(maskAll(raw, pem)).toBe(expected)
  })
})

// Short secrets and long ones: the filter's window differs.
const alphabet = fc.constantFrom('a', 'b', 'ab', 'aab', 'abab', '\n', 'x', 'YWFh', '%61', 'é', 'abaabaaab')
const secretText = fc.array(alphabet, { minLength: 3, maxLength: 9 }).map((parts) => parts.join(''))
const secretTexts = fc.array(secretText, { minLength: 1, maxLength: 4 })

function rawWith(secrets: readonly string[]) {
  const forms = secrets.flatMap(formsOfSecret).map((form) => form.toString())
  const part = forms.length === 0 ? alphabet : fc.oneof(alphabet, fc.constantFrom(...forms))
  const cutPart = fc
    .tuple(part, fc.nat(20), fc.nat(20))
    .map(([text, from, less]) => text.slice(from % 4, text.length - (less % 4)))
  const wrapped = fc
    .tuple(
      fc.constantFrom(...(forms.length === 0 ? ['x'] : secrets.flatMap(base64FormsOfSecret).map(String)), 'x'),
      fc.integer({ min: 1, max: 90 }),
      fc.nat(90),
      fc.constantFrom('\n', '\r\n', '\n\n', '\r', '\n\r'),
    )
    .map(([text, columns, first, newline]) =>
      [text.slice(0, first), ...(text.slice(first).match(new RegExp(`.{1,${columns}}`, 'g')) ?? [])].join(newline),
    )
  return fc.array(fc.oneof(part, cutPart, wrapped), { maxLength: 30 }).map((parts) => Buffer.from(parts.join('')))
}

test('any bytes in any chunks are masked as by looking for every form one by one', () => {
  const input = secretTexts.chain((secrets) => fc.record({ secrets: fc.constant(secrets), raw: rawWith(secrets) }))
  fc.assert(
    fc.property(input, fc.array(fc.nat(200), { maxLength: 30 }), ({ secrets, raw }, cuts) => {
      const expected = maskNaively(raw, secrets)
      expect(maskInChunks(createMasker(secrets), raw, cuts).text).toBe(expected)
      expect(maskInChunks(createMasker(secrets), raw, Array.from(raw.keys())).text).toBe(expected)
    }),
    { numRuns: 600 },
  )
})

test('a fresh masker goes on at any decided place with the same result, also in endless stretches', () => {
  const input = secretTexts.chain((secrets) => fc.record({ secrets: fc.constant(secrets), raw: rawWith(secrets) }))
  fc.assert(
    fc.property(
      input,
      fc.integer({ min: 8, max: 40 }),
      fc.array(fc.nat(200), { maxLength: 10 }),
      (given, stretch, cuts) => {
        const raw = Buffer.concat([given.raw, Buffer.from('aababaabab'.repeat(8)), given.raw])
        const masking = createMasking([...given.secrets, 'aababaa', 'baabab'], { stretchBytes: stretch })
        const whole = maskInChunks(masking.createMasker(), raw, [])
        const { text, safe } = maskInChunks(masking.createMasker(), raw, cuts)
        expect(text).toBe(whole.text)
        for (const place of safe) {
          const begin = masking.createMasker()
          const head = Buffer.from(begin.push(raw.subarray(0, place)).bytes).toString('latin1')
          const headEnd = Buffer.from(begin.end().bytes).toString('latin1')
          expect(head + headEnd + maskInChunks(masking.createMasker(), raw.subarray(place), []).text).toBe(whole.text)
        }
      },
    ),
    { numRuns: 300 },
  )
})

test('only what could begin a secret is held back, and what is whole is not', () => {
  const masker = createMasker(['password', 'pass phrase'])
  const push = (text: string) => Buffer.from(masker.push(Buffer.from(text)).bytes).toString()
  expect(push('login: ')).toBe('login: ')
  expect(push('pas')).toBe('')
  expect(masker.counters.heldBytes).toBe(3)
  expect(push('ta')).toBe('pasta')
  expect(push(' pass phr')).toBe(' ')
  expect(push('ase')).toBe('***')
  expect(push('passwor')).toBe('')
  expect(Buffer.from(masker.end().bytes).toString()).toBe('passwor')
  expect(masker.counters).toMatchObject({ rawBytes: 31, heldBytes: 0, masks: 1 })
})

test('output that repeats overlapping secrets for ever holds back a bounded number of bytes', () => {
  const masker = createMasker(['aaaaaa'])
  let most = 0
  let last = 0
  for (let count = 0; count < 100; count++) {
    last = masker.push(Buffer.alloc(10_000, 'a')).rawBytes
    most = Math.max(most, masker.counters.heldBytes)
  }
  expect(most).toBeLessThanOrEqual(64 * 1024 + 10_000)
  expect(last).toBeGreaterThan(900_000)
})

test('each printed secret is noted once, with the place of its mask', () => {
  const masker = createMasker(['never-printed', 'first-one', 'second-one'])
  const { bytes, printed } = masker.push(Buffer.from('a second-one, a first-one, a second-one.'))
  expect(Buffer.from(bytes).toString()).toBe('a ***, a ***, a ***.')
  expect(printed).toEqual([
    { secret: 2, offset: 2 },
    { secret: 1, offset: 9 },
  ])
})

test('more secrets than can be masked are refused', () => {
  const limited = { code: 'limit_exceeded' }
  expect(() => createMasking(Array.from({ length: 501 }, (_, n) => `secret-${n}`))).toThrow(
    expect.objectContaining(limited),
  )
  expect(() => createMasking(['x'.repeat(5_000_000)])).toThrow(expect.objectContaining(limited))
})

test('the time for the worst input grows with its length only', () => {
  // At each byte nearly the whole secret matches: comparing from each would take hours.
  const masker = createMasker([`${'a'.repeat(30_000)}b`])
  const chunk = Buffer.alloc(64 * 1024, 'a')
  const started = performance.now()
  for (let count = 0; count < 64; count++) masker.push(chunk)
  expect(performance.now() - started).toBeLessThan(40_000)
})
