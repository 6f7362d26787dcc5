// Secrets of a project or group: names and keys. Values go in and never come out, so changing one means typing all of it anew.

import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import type { Secret } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { TextArea, TextField } from '../../ui/field.tsx'
import { ActionForm } from '../../ui/form-parts.tsx'
import { Ago } from '../../ui/time.tsx'
import { NameField } from '../projects/name-field.tsx'
import { nameProblem } from '../projects/name-rule.ts'
import { InheritedSection } from './inherited-section.tsx'
import { operationsOf, type Place } from './place.ts'

export function SecretsSection({ place }: { readonly place: Place }) {
  const operations = operationsOf(place)
  return (
    <InheritedSection<Secret>
      place={place}
      noun="secret"
      list={() => operations.listSecrets(true)}
      remove={operations.deleteSecret}
      about="Sealed where they are stored and masked in logs. A task sees one only through a variable."
      heads={['Name', 'Keys', 'Changed']}
      cells={({ name, keys, updatedAt }) => (
        <>
          <td>{name}</td>
          <td>
            <code>{keys.join(', ')}</code>
          </td>
          <td className="soft">
            <Ago time={updatedAt} />
          </td>
        </>
      )}
      changeWord="Replace"
      lost={<p>Variables that take values from it have none then, and tasks that need them fail.</p>}
      form={(secret, onSave) => (
        <SecretForm
          secret={secret}
          onSave={(name, data) =>
            onSave(() =>
              secret === undefined
                ? operations.createSecret({ name, data })
                : operations.updateSecret(secret.name, { name, data }, secret.version),
            )
          }
        />
      )}
    />
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
  return (
    <ActionForm
      onSubmit={() => save.mutate()}
      state={save}
      action="Save"
      isInDialog
      isReady={name !== '' && problem === undefined && !hasDouble}
    >
      <NameField name={name} onName={setName} />
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
    </ActionForm>
  )
}
