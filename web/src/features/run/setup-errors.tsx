import { Panel } from '../../ui/page.tsx'
import { parseSetupError } from './setup-error.ts'

/** Why no task could be made of the definition. */
export function SetupErrors({ errors }: { readonly errors: readonly string[] }) {
  return (
    <Panel
      title={errors.length === 1 ? 'The definition has an error' : `The definition has ${errors.length} errors`}
      isPadded={false}
    >
      <ul className="rows">
        {errors.map((text) => {
          const { file, line, column, place, message } = parseSetupError(text)
          return (
            <li key={text} className="stack tight" data-state="setuperror">
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
          )
        })}
      </ul>
      <div className="panel-body soft">
        Nothing was executed. <code>slipway config check</code> finds such errors before a push.
      </div>
    </Panel>
  )
}
