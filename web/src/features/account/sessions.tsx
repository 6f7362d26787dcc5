// The browsers one is logged in with, each of which can be logged out from here.

import { useQuery, useQueryClient } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import { Button } from '../../ui/button.tsx'
import { Confirm } from '../../ui/dialogs.tsx'
import { Loaded } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'
import { Ago } from '../../ui/time.tsx'
import { browserName } from './browser-name.ts'

export function Sessions() {
  const queryClient = useQueryClient()
  const sessions = useQuery({ queryKey: ['sessions'], queryFn: () => call('listSessions') })
  return (
    <Panel title="Sessions" isPadded={false}>
      <Loaded query={sessions} what="your sessions">
        {({ items }) => (
          <Table label="Sessions" heads={['Browser', 'Address', 'Begun', '']}>
            {items.map((session) => (
              <tr key={session.id}>
                <td>
                  <span title={session.userAgent}>{browserName(session.userAgent)}</span>{' '}
                  {session.isCurrent ? <span className="tag">this one</span> : null}
                </td>
                <td>{session.address}</td>
                <td className="soft">
                  <Ago time={session.createdAt} />
                </td>
                <td className="actions">
                  {session.isCurrent ? null : (
                    <Confirm
                      trigger={
                        <Button size="small" kind="danger">
                          End
                        </Button>
                      }
                      title="End this session?"
                      action="End it"
                      isDangerous
                      onConfirm={async () => {
                        await call('deleteSession', { params: { sessionId: session.id } })
                        await queryClient.invalidateQueries({ queryKey: ['sessions'] })
                      }}
                    >
                      <p>That browser has to log in again.</p>
                    </Confirm>
                  )}
                </td>
              </tr>
            ))}
          </Table>
        )}
      </Loaded>
    </Panel>
  )
}
