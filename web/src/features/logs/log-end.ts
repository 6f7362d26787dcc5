import { useQuery } from '@tanstack/react-query'
import type { ApiRoutes } from '../../../../src/contract/routes.ts'
import { events } from '../../api/client.ts'
import { followEvents } from '../../api/follow-events.ts'
import { LogLines } from './log-lines.ts'

const linesShown = 12
/** A log that says nothing for so long while it is read is as good as read. */
const readMsMax = 10_000

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
      const lines = new LogLines()
      await followEvents<ApiRoutes['followLog']>({
        open: (lastEventId, opened) =>
          events('followLog', {
            params: { runId, taskId, log: log! },
            signal: opened,
            ...(lastEventId === undefined ? {} : { lastEventId }),
          }),
        onEvent: (event) => {
          if (event.event === 'log') lines.append(event.data.text)
        },
        signal: AbortSignal.any([signal, AbortSignal.timeout(readMsMax)]),
      })
      const texts: string[] = []
      for (let index = lines.count - 1; index >= 0 && texts.length < linesShown; index--)
        texts.unshift(lines.text(index))
      return texts.join('\n').trim()
    },
  }).data
}
