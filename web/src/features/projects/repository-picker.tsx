// Choosing a repository at a provider: one of those that the own account there may administer, found while one types.

import { useInfiniteQuery } from '@tanstack/react-query'
import { useDeferredValue, useEffect, useState } from 'react'
import { ApiError } from '../../../../src/contract/client.ts'
import type { ResponseOf } from '../../../../src/contract/route.ts'
import type { ApiRoutes } from '../../../../src/contract/routes.ts'
import { call } from '../../api/client.ts'
import { useUserName } from '../../api/session.ts'
import { Button } from '../../ui/button.tsx'
import { TextField } from '../../ui/field.tsx'
import { Empty, Loading, Problem } from '../../ui/load-state.tsx'
import { useLinking } from '../account/linked-accounts.tsx'
import type { RemoteSource } from '../session/remote-logins.tsx'

export type RemoteRepository = ResponseOf<ApiRoutes['listRemoteRepositories']>['items'][number]

type Props = {
  readonly source: RemoteSource
  /** Where one comes back to after linking an account. */
  readonly returnTo: string
  readonly chosen: RemoteRepository | undefined
  readonly onChoose: (repository: RemoteRepository) => void
}

const typedMs = 250

export function RepositoryPicker({ source, returnTo, chosen, onChoose }: Props) {
  const [text, setText] = useState('')
  const [search, setSearch] = useState('')
  useEffect(() => {
    const timer = setTimeout(() => setSearch(text.trim()), typedMs)
    return () => clearTimeout(timer)
  }, [text])
  const wanted = useDeferredValue(search)
  const query = useInfiniteQuery({
    queryKey: ['remote-repositories', source.id, wanted],
    queryFn: ({ pageParam, signal }) =>
      call('listRemoteRepositories', {
        params: { remoteSourceRef: source.id },
        query: { search: wanted, limit: 30, ...(pageParam === undefined ? {} : { cursor: pageParam }) },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ nextCursor }) => nextCursor,
    retry: false,
  })
  const found = query.data?.pages.flatMap(({ items }) => items) ?? []
  // A page may have nothing and still not be the last.
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query
  const isWanting = found.length === 0 && hasNextPage && !isFetchingNextPage
  useEffect(() => {
    if (isWanting) void fetchNextPage()
  }, [isWanting, fetchNextPage])
  if (query.error !== null)
    return <NoAccount {...{ source, returnTo }} error={query.error} retry={() => void query.refetch()} />
  return (
    <fieldset className="picker">
      <legend>Repository</legend>
      <TextField
        label={`Search at ${source.name}`}
        type="search"
        value={text}
        onChange={({ target }) => setText(target.value)}
        autoComplete="off"
      />
      {query.isPending || (found.length === 0 && hasNextPage) ? (
        <Loading what="repositories" lines={4} />
      ) : found.length === 0 ? (
        <Empty title="No repository">
          {wanted === ''
            ? 'Only those that your account there may administer are shown.'
            : 'None that your account may administer has that in its name.'}
        </Empty>
      ) : (
        <div className="picker-list">
          {found.map((repository) => (
            <label key={repository.id} className="picker-row">
              <input
                type="radio"
                name="repository"
                value={repository.id}
                checked={chosen?.id === repository.id}
                onChange={() => onChoose(repository)}
              />
              <span className="clip">{repository.path}</span>
              {repository.isPrivate ? <span className="tag">private</span> : null}
              {repository.isArchived ? <span className="tag">archived</span> : null}
            </label>
          ))}
          {hasNextPage ? (
            <Button size="small" isBusy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
              {isFetchingNextPage ? 'Loading…' : 'More'}
            </Button>
          ) : null}
        </div>
      )}
    </fieldset>
  )
}

const linkAgain = ['linked_account_not_found', 'provider_unauthorized']

function NoAccount({
  source,
  returnTo,
  error,
  retry,
}: {
  readonly source: RemoteSource
  readonly returnTo: string
  readonly error: unknown
  readonly retry: () => void
}) {
  const { link, dialog, problem } = useLinking(useUserName(), returnTo)
  const isLinkable = error instanceof ApiError && linkAgain.includes(error.code)
  return (
    <>
      {dialog}
      {problem === undefined ? null : <Problem error={problem} />}
      {isLinkable ? (
        <Empty
          title={`Link your account at ${source.name}`}
          action={
            <Button kind="primary" onClick={() => link(source)}>
              Link it
            </Button>
          }
        >
          Then you choose from the repositories that it may administer.
        </Empty>
      ) : (
        <Problem error={error} title="Cannot show the repositories" retry={retry} />
      )}
    </>
  )
}
