import { expect, test } from 'vitest'
import { successStatus } from '../../src/contract/route.ts'
import { errorsOfRoute } from '../../src/contract/route-errors.ts'
import { type RouteId, routes } from '../../src/contract/routes.ts'
import { compareAnswers } from './answers-reporter.ts'
import { unseenAnswers } from './unseen-answers.ts'

const operations = Object.keys(routes) as RouteId[]
const everything = new Set(
  operations.flatMap((id) =>
    [successStatus(routes[id]), ...errorsOfRoute(routes[id])].map((answer) => `${id} ${answer}`),
  ),
)

test('what was seen of all that the contract says leaves nothing to tell but what is excused for nothing', () => {
  const excused = Object.entries(unseenAnswers).flatMap(([code, ids]) => ids.map((id) => `${id} ${code}`))
  expect(compareAnswers(everything)).toEqual({ unseen: [], struck: expect.arrayContaining(excused) })
})

test.each(['getRun 200', 'getRun run_not_found'])('that nobody has seen %s is told', (answer) => {
  const seen = new Set(everything)
  seen.delete(answer)
  expect(compareAnswers(seen).unseen).toEqual([answer])
})

test('no success is excused', () => {
  expect(Object.keys(unseenAnswers).filter((code) => /^\d+$/.test(code))).toEqual([])
})
