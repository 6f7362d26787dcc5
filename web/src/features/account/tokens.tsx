// Tokens that the command line and scripts log in with.

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { call } from '../../api/client.ts'
import { Button } from '../../ui/button.tsx'
import { RemoveButton } from '../../ui/dialogs.tsx'
import { SelectField, TextField } from '../../ui/field.tsx'
import { Empty, Loaded, Problem } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { ShownOnce } from '../../ui/shown-once.tsx'
import { Table } from '../../ui/table.tsx'
import { Ago } from '../../ui/time.tsx'

const dayMs = 24 * 60 * 60 * 1000

export function Tokens({ userName }: { readonly userName: string }) {
  const queryClient = useQueryClient()
  const params = { userRef: userName }
  const tokens = useQuery({ queryKey: ['tokens', userName], queryFn: () => call('listTokens', { params }) })
  const [made, setMade] = useState<string>()
  const create = useMutation({
    mutationFn: (form: FormData) => {
      const days = Number(form.get('days'))
      return call('createToken', {
        params,
        body: {
          name: String(form.get('name')),
          scope: String(form.get('scope')) as 'read' | 'run' | 'admin',
          ...(days > 0 ? { expiresAt: new Date(Date.now() + days * dayMs).toISOString() } : {}),
        },
      })
    },
    onSuccess: ({ value }) => {
      setMade(value)
      void queryClient.invalidateQueries({ queryKey: ['tokens', userName] })
    },
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    create.mutate(new FormData(event.currentTarget))
  }
  return (
    <>
      <Panel title="New token">
        <form className="form" onSubmit={submit}>
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
          {create.error === null ? null : <Problem error={create.error} />}
          <div className="form-actions">
            <Button type="submit" kind="primary" isBusy={create.isPending}>
              Make the token
            </Button>
          </div>
        </form>
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
                      {token.projectIds === undefined ? '' : `, ${token.projectIds.length} projects`}
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
