// What was told to whom of the runs of a project, and what became of it.

import type { ResponseOf } from '../../../../src/contract/route.ts'
import type { ApiRoutes } from '../../../../src/contract/routes.ts'
import { call, events } from '../../api/client.ts'
import { followEvents } from '../../api/follow-events.ts'
import type { Project } from '../../api/types.ts'
import { Empty } from '../../ui/load-state.tsx'
import { Ago } from '../../ui/time.tsx'
import { RunLink } from '../runs/run-link.tsx'
import { HistoryPanel } from './history-panel.tsx'
import { kindWords } from './receivers.ts'

type Notification = ResponseOf<ApiRoutes['listNotifications']>['items'][number]

const stateMarks: Readonly<Record<Notification['state'], string>> = {
  waiting: 'queued',
  sent: 'success',
  failed: 'failed',
  superseded: 'skipped',
  dropped: 'stopped',
}

export function ToldPanel({ project, may }: { readonly project: Project; readonly may: boolean }) {
  const params = { projectRef: project.id }
  return (
    <HistoryPanel
      title="What was told"
      about="To receivers, and to the provider of the repository as statuses of commits; kept for a week."
      list={{
        queryKey: ['notifications', project.id],
        fetchPage: (query, signal) => call('listNotifications', { params, query, signal }),
        watch: (show, signal) =>
          followEvents<ApiRoutes['watchNotifications']>({
            open: (_, opened) => events('watchNotifications', { params, signal: opened }),
            onEvent: ({ data }) => show(data),
            signal,
          }),
      }}
      empty={<Empty title="Nothing was told yet">The next run of the project is.</Empty>}
      heads={['What', 'Run', 'Became', 'When']}
      cells={(one) => <ToldCells one={one} project={project} />}
      canRepeat={({ canResend }) => may && canResend}
      repeat={(notificationId) => call('resendNotification', { params: { ...params, notificationId } })}
      refused="It cannot be sent again"
    />
  )
}

function ToldCells({ one, project }: { readonly one: Notification; readonly project: Project }) {
  return (
    <>
      <td>
        {one.status === undefined ? one.event : `commit status: ${one.status.state}`}
        <div className="faint">
          {one.status === undefined ? kindWords[one.kind as keyof typeof kindWords] : one.status.context}
        </div>
      </td>
      <td>
        {one.runNumber === undefined ? null : (
          <RunLink owner={{ type: 'project', ref: project.path }} number={one.runNumber}>
            #{one.runNumber}
          </RunLink>
        )}
      </td>
      <td>
        <span className="state" data-state={stateMarks[one.state]}>
          {one.state}
        </span>{' '}
        <span className="soft">
          {one.message}
          {one.attemptCount > 1 ? ` · ${one.attemptCount} attempts` : ''}
          {one.nextAttemptAt === undefined ? null : (
            <>
              {' '}
              · next <Ago time={one.nextAttemptAt} />
            </>
          )}
        </span>
        {one.state === 'failed' && one.attempts.at(-1)?.excerpt !== undefined ? (
          <div className="faint clip">{one.attempts.at(-1)?.excerpt}</div>
        ) : null}
      </td>
      <td className="soft">
        <Ago time={one.endedAt ?? one.createdAt} />
      </td>
    </>
  )
}
