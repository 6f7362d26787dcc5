// The definition of a run as it was expanded, with all that was filled in.

import './history.css'
import { useQuery } from '@tanstack/react-query'
import type { Run } from '../../../api/types.ts'
import { Loaded } from '../../../ui/load-state.tsx'
import { configText } from './config-text.ts'
import { configQuery } from './queries.ts'

export function ConfigView({ run }: { readonly run: Run }) {
  const config = useQuery(configQuery(run.id))
  return (
    <Loaded query={config} what="the definition" lines={8}>
      {({ tasks }) => (
        <div className="config">
          <p className="soft">
            What the tasks of this run are made of, with everything filled in. What is secret is not shown; what is
            empty or off is left out.
          </p>
          {tasks.map((task, at) => (
            <details key={String(task.name)} open={tasks.length <= 3 || at === 0}>
              <summary>{String(task.name)}</summary>
              <pre className="source" tabIndex={0}>
                {configText(task)}
              </pre>
            </details>
          ))}
        </div>
      )}
    </Loaded>
  )
}
