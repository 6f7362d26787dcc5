// Tokens that the command line and scripts log in with.

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api/client.ts'
import type { Project } from '../../api/types.ts'
import { RemoveButton } from '../../ui/dialogs.tsx'
import { CheckField, SelectField, TextField } from '../../ui/field.tsx'
import { ActionForm } from '../../ui/form-parts.tsx'
import { Empty, Loaded } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { ShownOnce } from '../../ui/shown-once.tsx'
import { Table } from '../../ui/table.tsx'
import { Ago } from '../../ui/time.tsx'
import { myProjectsQuery } from '../projects/queries.ts'

const dayMs = 24 * 60 * 60 * 1000

export function Tokens({ userName }: { readonly userName: string }) {
  const queryClient = useQueryClient()
  const params = { userRef: userName }
  const tokens = useQuery({ queryKey: ['tokens', userName], queryFn: () => call('listTokens', { params }) })
  const projects = useQuery(myProjectsQuery(userName)).data ?? []
  const [made, setMade] = useState<string>()
  /** Undefined: all of them. */
  const [chosen, setChosen] = useState<readonly string[]>()
  const create = useMutation({
    mutationFn: (form: FormData) => {
      const days = Number(form.get('days'))
      return call('createToken', {
        params,
        body: {
          name: String(form.get('name')),
          scope: String(form.get('scope')) as 'read' | 'run' | 'admin',
          ...(chosen === undefined ? {} : { projects: [...chosen] }),
          ...(days > 0 ? { expiresAt: new Date(Date.now() + days * dayMs).toISOString() } : {}),
        },
      })
    },
    onSuccess: ({ value }) => {
      setMade(value)
      void queryClient.invalidateQueries({ queryKey: ['tokens', userName] })
    },
  })
  return (
    <>
      <Panel title="New token">
        <ActionForm
          onSubmit={(form) => create.mutate(new FormData(form))}
          state={create}
          action="Make the token"
          isReady={chosen?.length !== 0}
        >
          <TextField
            label="Name"
            name="name"
            required
            maxLength={100}
            autoComplete="off"
            help="What it is for: you see it in the list."
          />
          <SelectField
            label="It may"
            name="scope"
            defaultValue="read"
            options={[
              ['read', 'read what you may read'],
              ['run', 'also start, restart, stop and approve runs'],
              ['admin', 'do all that you may'],
            ]}
          />
          {projects.length === 0 ? null : (
            <SelectField
              label="Of"
              value={chosen === undefined ? 'all' : 'some'}
              onChange={({ target }) => setChosen(target.value === 'some' ? [] : undefined)}
              options={[
                ['all', 'everything'],
                ['some', 'some projects only'],
              ]}
            />
          )}
          {chosen === undefined ? null : (
            <fieldset className="picker">
              <legend>Projects</legend>
              <div className="picker-list">
                {projects.map(({ id, path }) => (
                  <div key={id} className="picker-row">
                    <CheckField
                      label={path}
                      checked={chosen.includes(id)}
                      onChange={({ target }) =>
                        setChosen(target.checked ? [...chosen, id] : chosen.filter((one) => one !== id))
                      }
                    />
                  </div>
                ))}
              </div>
            </fieldset>
          )}
          <SelectField
            label="Valid for"
            name="days"
            defaultValue="90"
            options={[
              ['30', '30 days'],
              ['90', '90 days'],
              ['365', 'a year'],
              ['0', 'ever'],
            ]}
          />
        </ActionForm>
        {made === undefined ? null : <ShownOnce title="Copy it now: it is shown here and never again." secret={made} />}
      </Panel>
      <Panel title="Tokens" isPadded={false}>
        <Loaded query={tokens} what="your tokens">
          {({ items }) =>
            items.length === 0 ? (
              <Empty title="No tokens">The command line and scripts log in with one.</Empty>
            ) : (
              <Table label="Tokens" heads={['Name', 'May', 'Made', 'Last used', 'Ends', '']}>
                {items.map((token) => (
                  <tr key={token.id}>
                    <td>{token.name}</td>
                    <td>
                      {token.scope}
                      {token.projectIds === undefined ? null : (
                        <div className="soft">only {namesOf(token.projectIds, projects)}</div>
                      )}
                    </td>
                    <td className="soft">
                      <Ago time={token.createdAt} />
                    </td>
                    <td className="soft">
                      {token.lastUsedAt === undefined ? 'never' : <Ago time={token.lastUsedAt} />}
                    </td>
                    <td className="soft">{token.expiresAt === undefined ? 'never' : <Ago time={token.expiresAt} />}</td>
                    <td className="actions">
                      <RemoveButton
                        name={token.name}
                        verb="Revoke"
                        onConfirm={async () => {
                          await call('deleteToken', { params: { ...params, tokenRef: token.id } })
                          await queryClient.invalidateQueries({ queryKey: ['tokens', userName] })
                        }}
                      >
                        <p>Whatever uses it is refused from now on.</p>
                      </RemoveButton>
                    </td>
                  </tr>
                ))}
              </Table>
            )
          }
        </Loaded>
      </Panel>
    </>
  )
}

/** Those that one does not see any more are counted. */
function namesOf(projectIds: readonly string[], projects: readonly Project[]): string {
  const paths = projects.filter(({ id }) => projectIds.includes(id)).map(({ path }) => path)
  const others = projectIds.length - paths.length
  return [...paths, ...(others === 0 ? [] : [`${others} ${others === 1 ? 'other project' : 'other projects'}`])].join(
    ', ',
  )
}
