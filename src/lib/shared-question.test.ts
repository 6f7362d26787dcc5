import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { SharedQuestion } from './shared-question.ts'

/** Answers how often it was asked, when it is let. */
function aQuestion() {
  const open: PromiseWithResolvers<number>[] = []
  const question = new SharedQuestion(() => {
    open.push(Promise.withResolvers())
    return open.at(-1)!.promise
  })
  const letAnswer = async (index: number) => {
    await setImmediate()
    open[index]!.resolve(index)
  }
  return { question, open, letAnswer }
}

test('who comes while a question is asked gets the answer to the next one, and all of them share it', async () => {
  const { question, open, letAnswer: answer } = aQuestion()
  const first = question.answer()
  const late = [question.answer(), question.answer()]
  expect(open).toHaveLength(1)
  await answer(0)
  expect(await first).toBe(0)
  await answer(1)
  expect(await Promise.all(late)).toEqual([1, 1])
  const alone = question.answer()
  await answer(2)
  expect(await alone).toBe(2)
  expect(open).toHaveLength(3)
})

test('a question that fails is asked again for who came meanwhile', async () => {
  const { question, open, letAnswer: answer } = aQuestion()
  const first = question.answer()
  const late = question.answer()
  open[0]!.reject(new Error('no answer'))
  await expect(first).rejects.toThrow('no answer')
  await answer(1)
  expect(await late).toBe(1)
})
