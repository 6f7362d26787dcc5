// What a push makes of a repository, and what leaves it: tables.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { choosePacks, expireRefs, withoutGarbage } from './cleaning/plan-cleaning.ts'
import {
  decodeState,
  emptyState,
  encodeState,
  type Pack,
  type RepositoryState,
} from './repositories/repository-state.ts'
import { isRefName, type Push, planPush } from './requests/plan-push.ts'

const none = '0'.repeat(40)
const id = (digit: string) => digit.repeat(40)
const pack = (name: string, packBytes = 100): Pack => ({ id: name, packBytes, indexBytes: 10 })
const refsOf = (refs: Readonly<Record<string, string>>, pushedAt = 0) =>
  new Map(Object.entries(refs).map(([name, objectId]) => [name, { objectId, pushedAt }]))

const base: RepositoryState = {
  ...emptyState,
  refs: refsOf({ 'refs/heads/main': id('a') }),
  packs: [pack('p1')],
}

const aPush = (
  updates: readonly (readonly [name: string, oldId: string, newId: string])[],
  more: Partial<Push> = {},
): Push => ({
  updates: updates.map(([name, oldId, newId]) => ({ name, oldId, newId })),
  packs: [pack('p2')],
  shallow: [],
  kinds: new Map(['a', 'b', 'c'].map((digit) => [id(digit), 'commit'])),
  now: 1000,
  ...more,
})

const bounds = { bytesMax: 1000, refsMax: 3 }

test('a push changes the refs it names and adds its packs', () => {
  const push = aPush([
    ['refs/heads/main', id('a'), id('b')],
    ['refs/tags/v1', none, id('c')],
  ])
  expect(planPush(push, { base, latest: base }, bounds)).toMatchObject({
    kind: 'accepted',
    next: {
      refs: refsOf({ 'refs/heads/main': id('b'), 'refs/tags/v1': id('c') }, 1000),
      packs: [pack('p1'), pack('p2')],
      pushedAt: 1000,
      hasGarbage: true,
    },
  })
})

test('what others have pushed meanwhile stays', () => {
  const latest = {
    ...base,
    refs: new Map([...base.refs, ...refsOf({ 'refs/heads/other': id('c') }, 5)]),
    packs: [pack('p1'), pack('p3')],
  }
  const planned = planPush(aPush([['refs/heads/main', id('a'), id('b')]]), { base, latest }, bounds)
  expect(planned).toMatchObject({ next: { packs: [pack('p1'), pack('p3'), pack('p2')] } })
  expect(planned.kind === 'accepted' && planned.next.refs.get('refs/heads/other')).toEqual({
    objectId: id('c'),
    pushedAt: 5,
  })
})

test.each<readonly [string, Push, Partial<RepositoryState>, RegExp]>([
  [
    'a ref that was changed meanwhile',
    aPush([['refs/heads/main', id('a'), id('b')]]),
    { refs: refsOf({ 'refs/heads/main': id('c') }) },
    /push at the same time/,
  ],
  [
    'a ref that was deleted meanwhile',
    aPush([['refs/heads/main', id('a'), id('b')]]),
    { refs: new Map() },
    /push at the same time/,
  ],
  [
    'a new ref that is there meanwhile',
    aPush([['refs/heads/new', none, id('b')]]),
    { refs: refsOf({ 'refs/heads/new': id('c') }) },
    /push at the same time/,
  ],
  [
    'packs that were put together meanwhile',
    aPush([['refs/heads/new', none, id('b')]]),
    { packs: [pack('p9')] },
    /tidied up/,
  ],
  [
    'a ref twice',
    aPush([
      ['refs/heads/x', none, id('b')],
      ['refs/heads/x', none, id('c')],
    ]),
    {},
    /comes twice/,
  ],
  ['a name that is none', aPush([['refs/heads/..', none, id('b')]]), {}, /no name of a ref/],
  ['an object that is not there', aPush([['refs/heads/x', none, id('d')]]), {}, /there is no object/],
  [
    'a branch of a tag',
    aPush([['refs/heads/x', none, id('b')]], { kinds: new Map([[id('b'), 'tag']]) }),
    {},
    /points to a commit/,
  ],
  ['a folder of a ref', aPush([['refs/heads/main/x', none, id('b')]]), {}, /cannot both be there/],
  [
    'too many refs',
    aPush(['x', 'y', 'z'].map((name) => [`refs/heads/${name}`, none, id('b')] as const)),
    {},
    /more than 3 refs/,
  ],
  [
    'too many bytes',
    aPush([['refs/heads/x', none, id('b')]], { packs: [pack('p2', 900)] }),
    {},
    /more than 1000 bytes/,
  ],
])('%s is refused', (_, push, changed, why) => {
  const planned = planPush(push, { base, latest: { ...base, ...changed } }, bounds)
  expect(planned.kind === 'refused' ? planned.why : planned).toMatch(why)
})

test.each([
  ['refs/heads/main', true],
  ['refs/pull/1/head', true],
  ['refs/heads/ümlaut/ß', true],
  [`refs/heads/${'x'.repeat(239)}`, true],
  [`refs/heads/${'x'.repeat(240)}`, false],
  ['refs/heads', false],
  ['HEAD', false],
  ['heads/main/x', false],
  ['refs/heads/', false],
  ['refs//heads/x', false],
  ['refs/heads/.x', false],
  ['refs/heads/x.lock', false],
  ['refs/heads/x.', false],
  ['refs/heads/a..b', false],
  ['refs/heads/a b', false],
  ['refs/heads/a~1', false],
  ['refs/heads/a^', false],
  ['refs/heads/a:b', false],
  ['refs/heads/a?', false],
  ['refs/heads/a*', false],
  ['refs/heads/a[', false],
  ['refs/heads/a\\', false],
  ['refs/heads/@{', false],
  ['refs/heads/a\n', false],
])('whether %j is the name of a ref of at most 250 bytes: %s', (name, isOne) => {
  expect(isRefName(name)).toBe(isOne)
})

test('refs leave when their time has come, counted from the push; a base stays while anything is pushed', () => {
  const state = {
    ...base,
    pushedAt: 900,
    refs: new Map([
      ['refs/heads/old', { objectId: id('a'), pushedAt: 100 }],
      ['refs/heads/young', { objectId: id('b'), pushedAt: 900 }],
      ['refs/slipway/base/x', { objectId: id('c'), pushedAt: 100 }],
    ]),
  }
  const kept = (now: number) => [...(expireRefs(state, { now, refsMs: 500 })?.refs.keys() ?? state.refs.keys())]
  expect(kept(599)).toHaveLength(3)
  expect(kept(600)).toEqual(['refs/heads/young', 'refs/slipway/base/x'])
  expect(expireRefs(state, { now: 1400, refsMs: 500 })).toMatchObject({ refs: new Map(), packs: [], hasGarbage: false })
  expect(expireRefs(state, { now: 10_000, refsMs: 0 })).toBeUndefined()
})

test('a repository with more than 20 packs gets fewer, and large ones are left alone', () => {
  const small = Array.from({ length: 20 }, (_, index) => pack(`s${index}`, 10))
  expect(choosePacks({ ...base, packs: small }, 0)).toBeUndefined()
  const chosen = choosePacks({ ...base, packs: [pack('large', 1_000_000), ...small] }, 0)
  expect(chosen).toEqual({ packs: small, isFull: false })
  const next = withoutGarbage({ ...base, packs: [pack('large', 1_000_000), ...small] }, chosen!, {
    pack: pack('new'),
    now: 7,
  })
  expect(next.packs.map((one) => one.id)).toEqual(['large', 'new'])
})

test('once a week everything is packed anew where refs have gone', () => {
  const week = 7 * 24 * 60 * 60 * 1000
  const state = { ...base, hasGarbage: true, compactedAt: 1000 }
  expect(choosePacks(state, 1000 + week - 1)).toBeUndefined()
  expect(choosePacks(state, 1000 + week)).toEqual({ packs: base.packs, isFull: true })
  expect(withoutGarbage(state, { packs: base.packs, isFull: true }, { pack: undefined, now: 5 })).toMatchObject({
    packs: [],
    hasGarbage: false,
    compactedAt: 5,
  })
})

test('a state is read as it was written', () => {
  const arbitrary = fc.record({
    refs: fc
      .array(fc.tuple(fc.string(), fc.record({ objectId: fc.string(), pushedAt: fc.nat() })))
      .map((entries) => new Map(entries)),
    packs: fc.array(fc.record({ id: fc.string(), packBytes: fc.nat(), indexBytes: fc.nat() })),
    shallow: fc.array(fc.string()),
    pushedAt: fc.nat(),
    compactedAt: fc.nat(),
    hasGarbage: fc.boolean(),
  })
  fc.assert(
    fc.property(arbitrary, (state) => {
      expect(decodeState(encodeState(state, 'me'))).toEqual({ state, writer: 'me' })
    }),
  )
  expect(() => decodeState(Buffer.from('{'))).toThrow(/cannot be read/)
})
