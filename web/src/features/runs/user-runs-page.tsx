import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { call } from '../../api/client.ts'
import { usePageTitle } from '../../app/page-head.ts'
import { Loaded } from '../../ui/load-state.tsx'
import { Page, Panel } from '../../ui/page.tsx'
import { RunList } from './run-list.tsx'

/** Direct runs: started from somebody's checkout. */
export function UserRunsPage() {
  const { user: name } = useParams({ from: '/inside/users/$user/runs' })
  const user = useQuery({ queryKey: ['user', name], queryFn: () => call('getUser', { params: { userRef: name } }) })
  usePageTitle(`Direct runs of ${name}`)
  return (
    <Page title={`Direct runs of ${name}`}>
      <p className="soft">
        Started from a checkout with <code>slipway directrun start</code>, without a commit or push.
      </p>
      <Panel isPadded={false}>
        <Loaded query={user} what="this user">
          {({ id }) => <RunList owner={{ type: 'user', id }} ownerRef={{ type: 'user', ref: name }} filter={{}} />}
        </Loaded>
      </Panel>
    </Page>
  )
}
