// Who hears of the runs of a project, and what was told.

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import type { Project } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog, RemoveButton } from '../../ui/dialogs.tsx'
import { Empty, Loaded, Problem } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { ShownOnce } from '../../ui/shown-once.tsx'
import { Table } from '../../ui/table.tsx'
import { ReceiverForm } from './receiver-form.tsx'
import { kindWords, type Receiver } from './receivers.ts'
import { ToldPanel } from './told-panel.tsx'

export function NotificationsSection({ project }: { readonly project: Project }) {
  const params = { projectRef: project.id }
  const queryClient = useQueryClient()
  const receivers = useQuery({
    queryKey: ['receivers', project.id],
    queryFn: ({ signal }) => call('listReceivers', { params, signal }),
    retry: false,
  })
  const [edited, setEdited] = useState<Receiver | 'new'>()
  const [secret, setSecret] = useState<string>()
  const refresh = () => queryClient.invalidateQueries({ queryKey: ['receivers', project.id] })
  const test = useMutation({
    mutationFn: (receiverId: string) => call('testReceiver', { params: { ...params, receiverId } }),
  })
  const may = project.may?.change === true
  return (
    <>
      {edited === undefined ? null : (
        <Dialog
          isOpen
          onOpenChange={() => setEdited(undefined)}
          title={edited === 'new' ? 'New receiver' : edited.name}
        >
          <ReceiverForm
            project={project}
            receiver={edited === 'new' ? undefined : edited}
            onDone={async (made) => {
              setEdited(undefined)
              setSecret(made)
              await refresh()
            }}
          />
        </Dialog>
      )}
      {secret === undefined ? null : (
        <ShownOnce
          title="What the webhook is signed with, shown here and never again"
          secret={secret}
          onDone={() => setSecret(undefined)}
        />
      )}
      {test.error === null ? null : <Problem error={test.error} title="The test was not sent" />}
      <Panel
        title="Who hears of runs"
        isPadded={false}
        actions={
          may ? (
            <Button icon="plus" size="small" onClick={() => setEdited('new')}>
              New receiver
            </Button>
          ) : null
        }
      >
        <Loaded query={receivers} what="the receivers">
          {({ items }) =>
            items.length === 0 ? (
              <Empty title="Nobody yet">
                Commit statuses are reported to the provider without any. Webhooks, chat and e-mail are added here.
              </Empty>
            ) : (
              <Table label="Who hears of runs" heads={['Name', 'By', 'Of', '']}>
                {items.map((receiver) => (
                  <tr key={receiver.id}>
                    <td>
                      {receiver.name} {receiver.isEnabled ? null : <span className="tag">off</span>}
                    </td>
                    <td className="soft">
                      {kindWords[receiver.kind]}{' '}
                      <code>{receiver.url ?? receiver.origin ?? receiver.recipients?.join(', ') ?? ''}</code>
                    </td>
                    <td className="soft">
                      {(receiver.events ?? receiver.changes ?? []).join(', ')}
                      {(receiver.branches ?? []).length === 0 ? '' : ` of ${receiver.branches!.join(', ')}`}
                    </td>
                    <td className="actions">
                      {may ? (
                        <>
                          <Button
                            size="small"
                            isBusy={test.isPending && test.variables === receiver.id}
                            onClick={() => test.mutate(receiver.id)}
                            aria-label={`Test ${receiver.name}`}
                          >
                            Test
                          </Button>
                          <Button
                            size="small"
                            onClick={() => setEdited(receiver)}
                            aria-label={`Change ${receiver.name}`}
                          >
                            Change
                          </Button>
                          <RemoveButton
                            name={receiver.name}
                            onConfirm={async () => {
                              await call('deleteReceiver', {
                                params: { ...params, receiverId: receiver.id },
                                ifMatch: receiver.version,
                              })
                              await refresh()
                            }}
                          >
                            <p>What waits for it is not sent.</p>
                          </RemoveButton>
                        </>
                      ) : null}
                    </td>
                  </tr>
                ))}
              </Table>
            )
          }
        </Loaded>
      </Panel>
      <ToldPanel project={project} may={may} />
    </>
  )
}
