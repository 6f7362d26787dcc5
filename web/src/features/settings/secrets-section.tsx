// Secrets of a project or group: names and keys. Values go in and never come out, so changing one means typing all of it anew.

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import type { Secret } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Confirm, Dialog } from '../../ui/dialogs.tsx'
import { TextArea, TextField } from '../../ui/field.tsx'
import { Empty, Loaded, Problem } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { Ago } from '../../ui/time.tsx'
import { nameProblem } from '../projects/name-rule.ts'
import { operationsOf, type Place } from './place.ts'

export function SecretsSection({ place }: { readonly place: Place }) {
  const operations = operationsOf(place)
  const queryClient = useQueryClient()
  const key = ['secrets', place.kind, place.ref] as const
  const secrets = useQuery({ queryKey: key, queryFn: () => operations.listSecrets(true) })
  const [edited, setEdited] = useState<Secret | 'new'>()
  const refresh = () => queryClient.invalidateQueries({ queryKey: key })
  return (
    <Panel
      isPadded={false}
      title="Secrets"
      actions={
        place.isReadOnly === true ? null : (
          <Button icon="plus" size="small" onClick={() => setEdited('new')}>
            New secret
          </Button>
        )
      }
    >
      <p className="panel-body soft">
        Sealed where they are stored and masked in logs. A task sees one only through a variable.
      </p>
      <Loaded query={secrets} what="the secrets">
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No secrets here or above" />
          ) : (
            <div className="table-scroll">
              <table className="table">
                <thead>
                  <tr>
                    <th>Name</th>
                    <th>Keys</th>
                    <th>From</th>
                    <th>Changed</th>
                    <th>
                      <span className="visually-hidden">Actions</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {items.map((secret) => {
                    const isOwn = secret.parentPath === place.path
                    return (
                      <tr key={secret.id}>
                        <td>{secret.name}</td>
                        <td>
                          <code>{secret.keys.join(', ')}</code>
                        </td>
                        <td className="soft">{isOwn ? 'here' : secret.parentPath}</td>
                        <td className="soft">
                          <Ago time={secret.updatedAt} />
                        </td>
                        <td>
                          {isOwn && place.isReadOnly !== true ? (
                            <span className="row">
                              <Button
                                size="small"
                                onClick={() => setEdited(secret)}
                                aria-label={`Replace ${secret.name}`}
                              >
                                Replace
                              </Button>
                              <Confirm
                                trigger={
                                  <Button size="small" kind="danger" aria-label={`Remove ${secret.name}`}>
                                    Remove
                                  </Button>
                                }
                                title={`Remove the secret ${secret.name}?`}
                                action="Remove it"
                                isDangerous
                                onConfirm={async () => {
                                  await operations.deleteSecret(secret.name, secret.version)
                                  await refresh()
                                }}
                              >
                                <p>Variables that take values from it have none then, and tasks that need them fail.</p>
                              </Confirm>
                            </span>
                          ) : null}
                        </td>
                      </tr>
                    )
                  })}
                </tbody>
              </table>
            </div>
          )
        }
      </Loaded>
      <Dialog
        isOpen={edited !== undefined}
        onOpenChange={() => setEdited(undefined)}
        title={edited === 'new' ? 'New secret' : `Replace ${edited?.name ?? ''}`}
      >
        {edited === undefined ? null : (
          <SecretForm
            secret={edited === 'new' ? undefined : edited}
            onSave={async (name, data) => {
              if (edited === 'new') await operations.createSecret({ name, data })
              else await operations.updateSecret(edited.name, { name, data }, edited.version)
              await refresh()
              setEdited(undefined)
            }}
          />
        )}
      </Dialog>
    </Panel>
  )
}

type Pair = { readonly id: number; readonly key: string; readonly value: string }

function SecretForm({
  secret,
  onSave,
}: {
  readonly secret: Secret | undefined
  readonly onSave: (name: string, data: Record<string, string>) => Promise<void>
}) {
  const [name, setName] = useState(secret?.name ?? '')
  const [pairs, setPairs] = useState<readonly Pair[]>((secret?.keys ?? ['']).map((key, id) => ({ id, key, value: '' })))
  const save = useMutation({
    mutationFn: () => onSave(name, Object.fromEntries(pairs.map(({ key, value }) => [key, value]))),
  })
  const change = (id: number, to: Partial<Pair>) =>
    setPairs(pairs.map((pair) => (pair.id === id ? { ...pair, ...to } : pair)))
  const hasDouble = new Set(pairs.map(({ key }) => key)).size < pairs.length
  const problem = nameProblem(name)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    save.mutate()
  }
  return (
    <form className="form" onSubmit={submit}>
      <TextField
        label="Name"
        value={name}
        onChange={({ target }) => setName(target.value)}
        problem={problem}
        required
        autoComplete="off"
      />
      {pairs.map((pair) => (
        <fieldset key={pair.id} className="stack tight">
          <legend className="visually-hidden">Key {pair.key}</legend>
          <TextField
            label="Key"
            value={pair.key}
            onChange={({ target }) => change(pair.id, { key: target.value })}
            required
            autoComplete="off"
          />
          <TextArea
            label="Value"
            value={pair.value}
            onChange={({ target }) => change(pair.id, { value: target.value })}
            rows={2}
          />
          {pairs.length > 1 ? (
            <div>
              <Button size="small" kind="quiet" onClick={() => setPairs(pairs.filter(({ id }) => id !== pair.id))}>
                Leave out this key
              </Button>
            </div>
          ) : null}
        </fieldset>
      ))}
      <div>
        <Button
          size="small"
          icon="plus"
          onClick={() => setPairs([...pairs, { id: Math.max(...pairs.map(({ id }) => id)) + 1, key: '', value: '' }])}
        >
          Another key
        </Button>
      </div>
      {hasDouble ? <p className="problem">Two keys have the same name.</p> : null}
      {save.error === null ? null : <Problem error={save.error} />}
      <div className="dialog-actions">
        <Button
          type="submit"
          kind="primary"
          isBusy={save.isPending}
          disabled={name === '' || problem !== undefined || hasDouble}
        >
          Save
        </Button>
      </div>
    </form>
  )
}
