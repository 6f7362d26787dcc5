// The keys that secrets and other secret values are sealed under: a new one, everything under it, and old ones removed.

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import { Button } from '../../ui/button.tsx'
import { Confirm, RemoveButton } from '../../ui/dialogs.tsx'
import { Loaded, Problem } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'
import { Ago } from '../../ui/time.tsx'

const count = (number: number) => number.toLocaleString('en')

export function Keys() {
  const queryClient = useQueryClient()
  const keys = useQuery({ queryKey: ['keys'], queryFn: ({ signal }) => call('getKeys', { signal }) })
  const refresh = () => queryClient.invalidateQueries({ queryKey: ['keys'] })
  const reseal = useReseal(refresh)
  return (
    <Loaded query={keys} what="the keys">
      {({ items, installationKeyId }) => {
        const older = items.filter(({ isActive }) => !isActive).reduce((sum, { values }) => sum + values, 0)
        return (
          <Panel
            isPadded={false}
            title="Keys"
            actions={
              <Confirm
                trigger={
                  <Button icon="plus" size="small">
                    New key
                  </Button>
                }
                title="Make a new key?"
                action="Make it"
                onConfirm={async () => {
                  await call('rotateKey')
                  await refresh()
                }}
              >
                <p>
                  Secrets written from now on are sealed under it. Those there are stay under their keys until they are
                  sealed anew.
                </p>
              </Confirm>
            }
          >
            <p className="panel-body soft">
              Secrets are sealed under the newest of these; the keys themselves under that of the installation,{' '}
              <code>{installationKeyId}</code>.
            </p>
            {older === 0 ? null : (
              <div className="panel-body row">
                <span className="grow" role="status">
                  {count(older)} {older === 1 ? 'value is' : 'values are'} under an older key.
                </span>
                <Button isBusy={reseal.isPending} onClick={() => reseal.mutate()}>
                  {reseal.isPending
                    ? `Sealing, ${reseal.remaining === undefined ? 'one moment' : `${count(reseal.remaining)} to go`}…`
                    : 'Seal them under the newest'}
                </Button>
              </div>
            )}
            {reseal.error === null ? null : <Problem error={reseal.error} />}
            <Table label="Keys" heads={['Key', 'Made', 'Values under it', '']}>
              {items.toReversed().map(({ id, createdAt, isActive, values }) => (
                <tr key={id}>
                  <td>
                    <code>{id}</code> {isActive ? <span className="tag">seals what is written</span> : null}
                  </td>
                  <td className="soft">
                    <Ago time={createdAt} />
                  </td>
                  <td>{count(values)}</td>
                  <td className="actions">
                    {isActive || values > 0 ? null : (
                      <RemoveButton
                        name={id}
                        title="Remove this key?"
                        onConfirm={async () => {
                          await call('retireKey', { params: { keyId: id } })
                          await refresh()
                        }}
                      >
                        <p>Nothing is sealed under it any more. Backups from before bring their own along.</p>
                      </RemoveButton>
                    )}
                  </td>
                </tr>
              ))}
            </Table>
          </Panel>
        )
      }}
    </Loaded>
  )
}

/** The server seals some at a time. */
function useReseal(refresh: () => Promise<unknown>) {
  const [remaining, setRemaining] = useState<number>()
  const { mutate, isPending, error } = useMutation({
    mutationFn: async () => {
      for (let left = Number.POSITIVE_INFINITY; left > 0; setRemaining(left))
        left = (await call('resealValues')).remaining
    },
    onSettled: async () => {
      setRemaining(undefined)
      await refresh()
    },
  })
  return { mutate, isPending, error, remaining }
}
