import { useQuery } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import { plainText } from './terminal-text.ts'

const linesShown = 12
/** Empty lines at the end are not shown. */
const linesRead = 40

type Wanted = {
  readonly runId: string
  readonly taskId: string
  readonly log: string | undefined
  readonly isWanted: boolean
}

/** The last lines of a log that is complete, as text. */
export function useLogEnd({ runId, taskId, log, isWanted }: Wanted): string | undefined {
  return useQuery({
    queryKey: ['log-end', runId, taskId, log],
    enabled: isWanted && log !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }) => {
      const params = { runId, taskId, log: log! }
      const { lines } = await call('readLogLines', { params, query: { tailLines: linesRead }, signal })
      return lines
        .map((line) => plainText(line))
        .join('\n')
        .trimEnd()
        .split('\n')
        .slice(-linesShown)
        .join('\n')
        .trim()
    },
  }).data
}
