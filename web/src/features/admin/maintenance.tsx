import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { ApiError, addressOf } from '../../../../src/contract/client.ts'
import { routes } from '../../../../src/contract/routes.ts'
import { call } from '../../api/client.ts'
import { useIdentity } from '../../api/session.ts'
import { Button } from '../../ui/button.tsx'
import { Confirm } from '../../ui/dialogs.tsx'
import { TextField } from '../../ui/field.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Loaded, Stale } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'
import { Ago } from '../../ui/time.tsx'
import { ImportPanel } from './import-panel.tsx'

/** Of users only ids are told, and who they are cannot be asked meanwhile. */
function beginner(by: string, ownId: string | undefined): string {
  if (by === `user:${ownId}`) return 'you'
  return by.startsWith('user:') ? 'another administrator' : by
}

/** An import is opened within so many looks: half a minute. */
const openingLooksMax = 60
const openingLookMs = 500

/** After an import the server opens its databases anew first: it refuses until that is done, or cannot be reached for a moment. */
function isOpening(error: Error): boolean {
  return !(error instanceof ApiError) || error.status === 503 || error.code === 'import_refused'
}

export function Maintenance() {
  const queryClient = useQueryClient()
  const maintenance = useQuery({
    queryKey: ['maintenance'],
    queryFn: () => call('getMaintenance'),
  })
  const version = useQuery({ queryKey: ['version'], queryFn: () => call('getVersion') })
  const identity = useIdentity()
  const [why, setWhy] = useState('')
  const refresh = () => queryClient.invalidateQueries({ queryKey: ['maintenance'] })
  const end = useMutation({
    mutationFn: () => call('endMaintenance'),
    retry: (failures, error) => failures < openingLooksMax && isOpening(error),
    retryDelay: openingLookMs,
    onSuccess: refresh,
  })
  return (
    <Loaded query={maintenance} what="the state of the installation">
      {(state) => (
        <>
          {state.isActive ? (
            <Stale>
              In maintenance{state.by === undefined ? '' : `, begun by ${beginner(state.by, identity?.user?.id)}`}
              {state.why === undefined ? '' : `: ${state.why}`}.{' '}
              {state.isEverywhere ? 'Every instance has entered it.' : 'Not every instance has entered it yet.'}
            </Stale>
          ) : null}
          <Panel title="Maintenance">
            <div className="form">
              <p className="soft">
                While it lasts nothing is written: no new runs, no changes. Running tasks go on and report afterwards.
              </p>
              {state.isActive ? (
                <div>
                  <Confirm
                    trigger={<Button kind="primary">End the maintenance</Button>}
                    title="End the maintenance?"
                    action="End it"
                    onConfirm={() => end.mutateAsync()}
                  >
                    <p>Everything is served again.</p>
                  </Confirm>
                </div>
              ) : (
                <>
                  <TextField
                    label="Why"
                    value={why}
                    onChange={({ target }) => setWhy(target.value)}
                    maxLength={500}
                    help="Shown to whoever is refused."
                  />
                  <div>
                    <Confirm
                      trigger={<Button kind="danger">Begin maintenance</Button>}
                      title="Begin maintenance?"
                      action="Begin it"
                      isDangerous
                      onConfirm={async () => {
                        await call('startMaintenance', { body: why === '' ? {} : { why } })
                        await refresh()
                      }}
                    >
                      <p>Until it ends, everybody but administrators on this page is refused.</p>
                    </Confirm>
                  </div>
                </>
              )}
            </div>
          </Panel>
          <Panel isPadded={false} title="Instances">
            <Table label="Instances" heads={['Instance', 'Version', 'Maintenance', 'Seen']}>
              {state.instances.map((instance) => (
                <tr key={instance.id}>
                  <td>
                    <code>{instance.id.slice(0, 13)}</code>{' '}
                    {instance.isPresent ? null : <span className="tag">away</span>}
                  </td>
                  <td>{instance.version}</td>
                  <td>{instance.hasEntered ? 'entered' : 'no'}</td>
                  <td className="soft">
                    <Ago time={instance.seenAt} />
                  </td>
                </tr>
              ))}
            </Table>
          </Panel>
          <Panel title="Export">
            <div className="row">
              <p className="grow soft">
                All rows of the databases as one file, at any time and without stopping anything. Server{' '}
                {version.data?.version ?? ''}.
              </p>
              <a className="button" href={addressOf(routes.exportData, {})} download="slipway-export">
                <Icon name="download" /> Export
              </a>
            </div>
          </Panel>
          <ImportPanel isInMaintenance={state.isActive} />
        </>
      )}
    </Loaded>
  )
}
