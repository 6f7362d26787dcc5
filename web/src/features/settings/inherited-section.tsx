// What a project or group has and what it inherits: a table in which only its own can be changed.

import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { Button } from '../../ui/button.tsx'
import { Dialog, RemoveButton } from '../../ui/dialogs.tsx'
import { Empty, Loaded } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'
import type { Place } from './place.ts'

type Inherited = { readonly id: string; readonly name: string; readonly parentPath: string; readonly version: number }

type Props<Item extends Inherited> = {
  readonly place: Place
  readonly noun: 'secret' | 'variable'
  /** Its own and those of the groups above. */
  readonly list: () => Promise<{ readonly items: readonly Item[] }>
  readonly remove: (name: string, ifMatch: number) => Promise<unknown>
  readonly about: ReactNode
  /** Of the columns before the one that says where it comes from. */
  readonly heads: readonly string[]
  readonly cells: (item: Item, items: readonly Item[]) => ReactNode
  readonly changeWord: string
  /** What happens when one is removed. */
  readonly lost: ReactNode
  /** `onSave` is called with what saves it. */
  readonly form: (item: Item | undefined, onSave: (save: () => Promise<unknown>) => Promise<void>) => ReactNode
}

export function InheritedSection<Item extends Inherited>(props: Props<Item>) {
  const { place, noun, list, remove, about, heads, cells, changeWord, lost, form } = props
  const queryClient = useQueryClient()
  const key = [`${noun}s`, place.kind, place.ref] as const
  const found = useQuery({ queryKey: key, queryFn: list })
  const [edited, setEdited] = useState<Item | 'new'>()
  const refresh = () => queryClient.invalidateQueries({ queryKey: key })
  const mayChange = place.isReadOnly !== true
  const title = noun === 'secret' ? 'Secrets' : 'Variables'
  return (
    <Panel
      isPadded={false}
      title={title}
      actions={
        mayChange ? (
          <Button icon="plus" size="small" onClick={() => setEdited('new')}>
            New {noun}
          </Button>
        ) : null
      }
    >
      <p className="panel-body soft">{about}</p>
      <Loaded query={found} what={`the ${noun}s`}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title={`No ${noun}s here or above`} />
          ) : (
            <Table label={title} heads={[...heads, 'From', '']}>
              {items.map((item) => {
                const isOwn = item.parentPath === place.path
                return (
                  <tr key={item.id}>
                    {cells(item, items)}
                    <td className="soft">{isOwn ? 'here' : item.parentPath}</td>
                    <td className="actions">
                      {isOwn && mayChange ? (
                        <>
                          <Button
                            size="small"
                            onClick={() => setEdited(item)}
                            aria-label={`${changeWord} ${item.name}`}
                          >
                            {changeWord}
                          </Button>
                          <RemoveButton
                            name={item.name}
                            title={`Remove the ${noun} ${item.name}?`}
                            onConfirm={async () => {
                              await remove(item.name, item.version)
                              await refresh()
                            }}
                          >
                            {lost}
                          </RemoveButton>
                        </>
                      ) : null}
                    </td>
                  </tr>
                )
              })}
            </Table>
          )
        }
      </Loaded>
      <Dialog
        isOpen={edited !== undefined}
        onOpenChange={() => setEdited(undefined)}
        title={edited === 'new' ? `New ${noun}` : `${changeWord} ${edited?.name ?? ''}`}
      >
        {edited === undefined
          ? null
          : form(edited === 'new' ? undefined : edited, async (save) => {
              await save()
              await refresh()
              setEdited(undefined)
            })}
      </Dialog>
    </Panel>
  )
}
