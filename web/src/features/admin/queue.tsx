import { useQuery } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import { Empty, Loaded } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'
import { Ago } from '../../ui/time.tsx'
import { OwnedRun } from './owned-run.tsx'

export function Queue() {
  const queue = useQuery({
    queryKey: ['queue'],
    queryFn: () => call('listQueue', { query: { limit: 100 } }),
  })
  return (
    <Panel isPadded={false} title={`Queue${queue.data === undefined ? '' : `: ${queue.data.total}`}`}>
      <Loaded query={queue} what="the queue">
        {({ items, total }) =>
          items.length === 0 ? (
            <Empty title="Nothing waits" />
          ) : (
            <>
              <Table label="Queue" heads={['#', 'Run', 'Task', 'Since', 'Why']}>
                {items.map(({ position, run, task, since, reason }) => (
                  <tr key={`${run.id} ${task?.id ?? ''}`}>
                    <td>{position}</td>
                    <td>
                      <OwnedRun run={run} />
                    </td>
                    <td>{task === undefined ? <span className="faint">the whole run</span> : task.name}</td>
                    <td className="soft">
                      <Ago time={since} />
                    </td>
                    <td>{reason.message}</td>
                  </tr>
                ))}
              </Table>
              {total > items.length ? <p className="panel-body soft">and {total - items.length} more</p> : null}
            </>
          )
        }
      </Loaded>
    </Panel>
  )
}
