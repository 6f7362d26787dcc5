import { useQuery } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import { Empty, Loaded } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { Table } from '../account/account-page.tsx'

export function RemoteSources() {
  const sources = useQuery({
    queryKey: ['remote-sources'],
    queryFn: () => call('listRemoteSources', { query: { limit: 100 } }),
  })
  return (
    <Panel isPadded={false} title="Remote sources">
      <Loaded query={sources} what="the remote sources">
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="None yet">
              Projects can use any git server without one. “slipway remotesource create” adds GitHub, GitLab, Gitea or
              Forgejo.
            </Empty>
          ) : (
            <Table heads={['Name', 'Type', 'Accounts', 'Login', 'Registration']}>
              {items.map((source) => (
                <tr key={source.id}>
                  <td>{source.name}</td>
                  <td>{source.type}</td>
                  <td>{source.authType}</td>
                  <td>{source.loginEnabled ? 'yes' : 'no'}</td>
                  <td>{source.registrationEnabled ? 'yes' : 'no'}</td>
                </tr>
              ))}
            </Table>
          )
        }
      </Loaded>
    </Panel>
  )
}
