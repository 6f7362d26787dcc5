// Where the rows of the installation are and how safe: the log, what object storage holds of it, instances that are behind, and work
// that should have been done by now.

import { useQuery } from '@tanstack/react-query'
import type { ResponseOf } from '../../../../src/contract/route.ts'
import type { ApiRoutes } from '../../../../src/contract/routes.ts'
import { call } from '../../api/client.ts'
import { Loaded } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'
import { Ago } from '../../ui/time.tsx'

type Status = ResponseOf<ApiRoutes['getDatabaseStatus']>

const logWords: Readonly<Record<string, string>> = {
  embedded: 'in a file on this machine',
  etcd: 'in etcd',
  postgres: 'in PostgreSQL',
  bucket: 'in object storage',
}
const workWords: Readonly<Record<string, string>> = {
  delete_runs: 'Runs to be deleted',
  clean_remote: 'Hooks and keys to be removed at providers',
  delivery: 'Deliveries',
  notification: 'Notifications',
}
const count = (number: number) => number.toLocaleString('en')

export function Databases() {
  const status = useQuery({ queryKey: ['databases'], queryFn: ({ signal }) => call('getDatabaseStatus', { signal }) })
  return (
    <Loaded query={status} what="the databases">
      {({ log, databases, instances }) => (
        <>
          <Panel isPadded={false} title="Databases">
            <p className="panel-body soft">
              The log of what is written is kept {logWords[log] ?? log}, shipped to object storage, and packed into
              snapshots there.
            </p>
            <Table
              label="Databases"
              heads={['Service', 'Log at', 'In object storage', 'Newest snapshot', 'Generation']}
            >
              {databases.map((database) => (
                <tr key={database.service}>
                  <td>{database.service}</td>
                  <td>{count(database.position)}</td>
                  <td>
                    <Shipped {...database} />
                  </td>
                  <td>
                    {database.snapshotAt === undefined || database.snapshotPosition === undefined ? (
                      <span className="faint">none yet</span>
                    ) : (
                      <>
                        <Ago time={database.snapshotAt} />{' '}
                        <span className="faint">
                          at {count(database.snapshotPosition)}, {database.snapshotCount} kept
                        </span>
                      </>
                    )}
                  </td>
                  <td>
                    <code className="faint">{database.generation.slice(0, 8)}</code>
                  </td>
                </tr>
              ))}
            </Table>
          </Panel>
          <Waiting databases={databases} />
          <Instances instances={instances} />
        </>
      )}
    </Loaded>
  )
}

function Shipped({ shipped, position }: Status['databases'][number]) {
  if (shipped === undefined) return <span className="faint">nothing yet</span>
  if (shipped >= position) return <>all of it</>
  return (
    <>
      up to {count(shipped)} <span className="faint">{count(position - shipped)} to go</span>
    </>
  )
}

function Waiting({ databases }: Pick<Status, 'databases'>) {
  const waiting = databases.flatMap((database) => database.waiting)
  return (
    <Panel isPadded={false} title="Waiting for longer than a minute">
      {waiting.length === 0 ? (
        <p className="panel-body soft">Nothing. What is to be done beside requests is done.</p>
      ) : (
        <Table label="Waiting" heads={['What', 'How many', 'The oldest', 'Its last error']}>
          {waiting.map(({ kind, count: many, oldestAt, lastError }) => (
            <tr key={kind}>
              <td>{workWords[kind] ?? kind}</td>
              <td>{count(many)}</td>
              <td>
                <Ago time={oldestAt} />
              </td>
              <td className="soft">{lastError ?? 'none'}</td>
            </tr>
          ))}
        </Table>
      )}
    </Panel>
  )
}

function Instances({ instances }: Pick<Status, 'instances'>) {
  return (
    <Panel isPadded={false} title="Instances">
      <Table label="Instances" heads={['Instance', 'Version', 'Seen', 'Behind']}>
        {instances.map(({ id, version, isPresent, seenAt, databases }) => {
          const late = databases.filter(({ behind }) => behind > 0)
          return (
            <tr key={id}>
              <td>
                <code>{id.slice(0, 13)}</code> {isPresent ? null : <span className="tag">away</span>}
              </td>
              <td>{version}</td>
              <td className="soft">
                <Ago time={seenAt} />
              </td>
              <td>
                {late.length === 0 ? (
                  <span className="state" data-state="success">
                    nothing
                  </span>
                ) : (
                  late.map(({ service, behind }) => `${service} by ${count(behind)}`).join(', ')
                )}
              </td>
            </tr>
          )
        })}
      </Table>
    </Panel>
  )
}
