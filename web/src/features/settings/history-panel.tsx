// What happened, the newest first, as it happens, each of it a thing that can be done again.

import { useMutation } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { type LiveListOptions, useLiveList } from '../../api/live-list.ts'
import { Button } from '../../ui/button.tsx'
import { Loaded, Problem } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { Table } from '../../ui/table.tsx'

type Props<Item> = {
  readonly list: LiveListOptions<{ readonly items: readonly Item[]; readonly nextCursor?: string | undefined }>
  readonly title: string
  readonly about: ReactNode
  readonly empty: ReactNode
  /** Of the columns before the one with the button. */
  readonly heads: readonly string[]
  readonly cells: (item: Item) => ReactNode
  readonly canRepeat: (item: Item) => boolean
  readonly repeat: (id: string) => Promise<unknown>
  readonly refused: string
}

export function HistoryPanel<Item extends { readonly id: string }>(props: Props<Item>) {
  const { title, about, empty, heads, cells, canRepeat, refused } = props
  const list = useLiveList(props.list)
  const repeat = useMutation({ mutationFn: props.repeat })
  return (
    <Panel title={title} isPadded={false}>
      <p className="panel-body soft">{about}</p>
      {repeat.error === null ? null : <Problem error={repeat.error} title={refused} />}
      <Loaded query={list} what={title.toLowerCase()}>
        {({ pages }) => {
          const items = pages.flatMap((page) => page.items)
          if (items.length === 0) return empty
          return (
            <>
              <Table label={title} heads={[...heads, '']}>
                {items.map((item) => (
                  <tr key={item.id}>
                    {cells(item)}
                    <td className="actions">
                      {canRepeat(item) ? (
                        <Button
                          size="small"
                          icon="repeat"
                          isBusy={repeat.isPending && repeat.variables === item.id}
                          onClick={() => repeat.mutate(item.id)}
                        >
                          Again
                        </Button>
                      ) : null}
                    </td>
                  </tr>
                ))}
              </Table>
              {list.hasNextPage ? (
                <div className="panel-body">
                  <Button isBusy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
                    Older
                  </Button>
                </div>
              ) : null}
            </>
          )
        }}
      </Loaded>
    </Panel>
  )
}
