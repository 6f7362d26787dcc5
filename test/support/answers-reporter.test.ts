import { expect, test } from 'vitest'
import { successStatus } from '../../src/contract/route.ts'
import { errorsOfRoute } from '../../src/contract/route-errors.ts'
import { type RouteId, routes } from '../../src/contract/routes.ts'
import { undeclaredAnswers, unseenAnswers } from './answers-reporter.ts'

const operations = Object.keys(routes) as RouteId[]
const everything = new Set(
  operations.flatMap((id) =>
    [successStatus(routes[id]), ...errorsOfRoute(routes[id])].map((answer) => `${id} ${answer}`),
  ),
)

test('who has seen all that the contract says misses nothing', () => {
  expect(unseenAnswers(everything)).toEqual([])
})

test.each(['getRun 200', 'getRun run_not_found'])('that nobody has seen %s is told', (answer) => {
  const seen = new Set(everything)
  seen.delete(answer)
  expect(unseenAnswers(seen)).toEqual([answer])
})

test('what the contract does not say of an operation is told, but for what any may answer', () => {
  const answered = ['getRun 200', 'getRun run_not_found', 'getRun maintenance', 'getRun internal', 'getRun last_owner']
  expect(undeclaredAnswers(new Set(answered))).toEqual(['getRun last_owner'])
})

test('what cannot be is not in the list of what can', () => {
  for (const id of operations) {
    const { never = [] } = routes[id] as { readonly never?: readonly string[] }
    for (const code of never) expect(everything, id).not.toContain(`${id} ${code}`)
  }
})
