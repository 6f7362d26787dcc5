import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryDirectory } from '../../test/support/git-repository.ts'
import { systemClock } from '../lib/clock.ts'
import { SlipwayError } from '../lib/errors.ts'
import { openDatabase } from './open-database.ts'
import { ReadsAtPosition } from './reads-at-position.ts'

type TestSchema = { thing: { readonly words: readonly string[] } }

async function open() {
  await using undo = new AsyncDisposableStack()
  const folder = undo.use(temporaryDirectory('reads'))
  const types = { thing: {} }
  const database = undo.use(
    await openDatabase<TestSchema>({ path: join(folder.path, 'db'), types, clock: systemClock }),
  )
  const reads = new ReadsAtPosition(database, { answersMax: 100 })
  const owned = undo.move()
  return { database, reads, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

test('an answer is read once while nothing changes, and anew after any change', async () => {
  await using opened = await open()
  const { database, reads } = opened
  let asked = 0
  const ask = () =>
    reads.ask('the thing', (tx) => {
      asked++
      return tx.get('thing', 'a')?.words[0]
    })
  expect([ask(), ask(), asked]).toEqual([undefined, undefined, 1])
  await database.do((tx) => tx.put('thing', 'a', { words: ['one'] }))
  expect([ask(), ask(), asked]).toEqual(['one', 'one', 2])
  await database.do((tx) => tx.delete('thing', 'a'))
  expect([ask(), asked]).toEqual([undefined, 3])
})

test('questions do not get the answers of others', async () => {
  await using opened = await open()
  expect(opened.reads.ask('one', () => 1)).toBe(1)
  expect(opened.reads.ask('two', () => 2)).toBe(2)
  for (let n = 0; n < 300; n++) expect(opened.reads.ask(`n${n}`, () => n)).toBe(n)
  expect(opened.reads.ask('one', () => 1)).toBe(1)
})

test('who changes an answer that others share fails', async () => {
  await using opened = await open()
  const answer = opened.reads.ask('words', () => ({ words: ['a'] }))
  expect(() => answer.words.push('b')).toThrow(TypeError)
})

test('an error is not remembered', async () => {
  await using opened = await open()
  const fail = () => {
    throw new SlipwayError('run_not_found', 'there is no run 7')
  }
  expect(() => opened.reads.ask('run 7', fail)).toThrow('no run 7')
  expect(opened.reads.ask('run 7', () => 7)).toBe(7)
})

test('a database that is closed does not answer, known or not', async () => {
  const opened = await open()
  opened.reads.ask('one', () => 1)
  await opened[Symbol.asyncDispose]()
  expect(() => opened.reads.ask('one', () => 1)).toThrow('closed')
})
