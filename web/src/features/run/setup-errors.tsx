// Why no task could be made of the definition: each error, and the definition itself with the lines marked.

import './history/history.css'
import { useQuery } from '@tanstack/react-query'
import { Fragment, useEffect, useRef } from 'react'
import type { Run } from '../../api/types.ts'
import { Panel } from '../../ui/page.tsx'
import { definitionQuery } from './history/queries.ts'
import { parseSetupError, type SetupError } from './setup-error.ts'

export function SetupErrors({ run }: { readonly run: Run }) {
  const errors = run.setupErrors.map(parseSetupError)
  return (
    <>
      <Panel
        title={errors.length === 1 ? 'The definition has an error' : `The definition has ${errors.length} errors`}
        isPadded={false}
      >
        <ul className="rows">
          {errors.map(({ file, line, column, place, message }, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: errors have no other name and do not move
            <li key={at} className="stack tight" data-state="setuperror">
              {file === undefined ? null : (
                <span className="row">
                  <code className="state">
                    {file}
                    {line === undefined ? '' : `:${line}`}
                    {column === undefined ? '' : `:${column}`}
                  </code>
                  {place === undefined ? null : <code className="faint">{place}</code>}
                </span>
              )}
              <span>{message}</span>
            </li>
          ))}
        </ul>
        <div className="panel-body soft">
          Nothing was executed. <code>slipway config check</code> finds such errors before a push.
        </div>
      </Panel>
      {run.may.act || run.owner.type === 'project' ? <Definition run={run} errors={errors} /> : null}
    </>
  )
}

/** For those who may read it; others see the errors alone. */
function Definition({ run, errors }: { readonly run: Run; readonly errors: readonly SetupError[] }) {
  const { data } = useQuery(definitionQuery(run.id))
  const marked = useRef<HTMLDivElement>(null)
  const isThere = data !== undefined && data.text !== ''
  useEffect(() => {
    if (isThere) marked.current?.scrollIntoView({ block: 'center' })
  }, [isThere])
  if (!isThere) return null
  const byLine = Map.groupBy(
    errors.filter(({ line, file }) => line !== undefined && (file === undefined || file === data.path)),
    ({ line }) => line!,
  )
  const first = Math.min(...byLine.keys())
  return (
    <Panel title={data.path} isPadded={false}>
      <div className="source source-lines" role="group" tabIndex={0} aria-label={`Text of ${data.path}`}>
        {data.text.split('\n').map((text, at) => {
          const found = byLine.get(at + 1)
          return (
            // biome-ignore lint/suspicious/noArrayIndexKey: the lines are a text and do not move
            <Fragment key={at}>
              <div
                className="source-line"
                {...(at + 1 === first ? { ref: marked } : {})}
                {...(found === undefined ? {} : { 'data-marked': '' })}
              >
                <span>{at + 1}</span>
                <span>{text}</span>
              </div>
              {found?.map(({ message }) => (
                <div key={message} className="source-problem">
                  {message}
                </div>
              ))}
            </Fragment>
          )
        })}
      </div>
    </Panel>
  )
}
