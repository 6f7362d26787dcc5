// Cache keys are templates; what they ask for (digests of files, variables, the date) is the pod's, and is fetched in one
// round trip. Only a file or variable whose name the template computes costs one of its own.

import { invariant, SlipwayError } from '../../lib/errors.ts'
import { malformed, type Parsed, parsed } from '../../pipeline/languages/parsed.ts'
import { evaluateTemplate } from '../../pipeline/languages/template/evaluate-template.ts'
import { neededFacts } from '../../pipeline/languages/template/needed-facts.ts'
import { parseTemplate } from '../../pipeline/languages/template/parse-template.ts'
import type { PodQuery } from '../driver.ts'
import type { StepContext } from './step-context.ts'

type DigestQuestion = PodQuery['digests'][number]

/** The rendered key; `cache_key_invalid` says what is wrong with the template, or which file has no digest. */
export async function renderCacheKey(
  text: string,
  context: Pick<StepContext, 'order' | 'pod' | 'signal'>,
): Promise<string> {
  const template = parseTemplate(text)
  if (!template.ok) throw new SlipwayError('cache_key_invalid', `cache key "${text}": ${template.message}`)
  const needed = neededFacts(template.value)
  const digests: DigestQuestion[] = [
    ...needed.md5sumFiles.map((file) => ({ algorithm: 'md5' as const, file })),
    ...needed.sha256sumFiles.map((file) => ({ algorithm: 'sha256' as const, file })),
  ]
  const ask = (question: Pick<PodQuery, 'digests' | 'variables'>) =>
    context.pod.query(
      { ...question, workingDir: context.order.workingDir, environment: context.order.environment },
      context.signal,
    )
  const asksNothing = digests.length === 0 && needed.environmentNames.length === 0 && !needed.hasConstants
  const facts = asksNothing ? undefined : await ask({ digests, variables: needed.environmentNames })
  const digest = async (algorithm: DigestQuestion['algorithm'], file: string): Promise<Parsed<string>> => {
    const index = digests.findIndex((question) => question.algorithm === algorithm && question.file === file)
    const answer =
      index >= 0 ? facts?.digests[index] : (await ask({ digests: [{ algorithm, file }], variables: [] })).digests[0]
    invariant(answer !== undefined, 'the pod answered fewer digests than were asked')
    return 'error' in answer ? malformed(answer.error) : parsed(answer.hex)
  }
  const rendered = await evaluateTemplate(template.value, {
    md5sum: (file) => digest('md5', file),
    sha256sum: (file) => digest('sha256', file),
    env: async (name) => {
      const index = needed.environmentNames.indexOf(name)
      return (index >= 0 ? facts?.variables[index] : (await ask({ digests: [], variables: [name] })).variables[0]) ?? ''
    },
    constants: async () => {
      const { arch, unixNanoseconds, year, month, day } = facts ?? (await ask({ digests: [], variables: [] }))
      return { os: 'linux', arch, unixtime: BigInt(unixNanoseconds), year, month, day }
    },
  })
  if (!rendered.ok) throw new SlipwayError('cache_key_invalid', `cache key "${text}": ${rendered.message}`)
  return rendered.value
}
