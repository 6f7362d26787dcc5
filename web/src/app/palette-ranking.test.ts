import { expect, test } from 'vitest'
import { rankChoices } from './palette-ranking.ts'

const choices = ['org/acme/web', 'org/acme/cobweb', 'org/acme/web 12', 'Projects', 'New project'].map((text) => ({
  text,
}))
const found = (typed: string) => rankChoices(choices, typed).map(({ text }) => text)

test.each([
  ['web', ['org/acme/web', 'org/acme/web 12', 'org/acme/cobweb']],
  ['web #12', ['org/acme/web 12']],
  ['ACME web', ['org/acme/web', 'org/acme/web 12', 'org/acme/cobweb']],
  ['proj', ['Projects', 'New project']],
  ['(', []],
])('%j finds %j', (typed, texts) => {
  expect(found(typed)).toEqual(texts)
})

test('nothing typed is everything in its order', () => {
  expect(found(' ')).toEqual(choices.map(({ text }) => text))
})
