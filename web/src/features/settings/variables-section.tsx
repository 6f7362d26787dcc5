// Variables: what tasks see in their environment, as a text or out of a secret, by branch, tag or ref.

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import type { Variable } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Confirm, Dialog } from '../../ui/dialogs.tsx'
import { SelectField, TextArea, TextField } from '../../ui/field.tsx'
import { Empty, Loaded, Problem } from '../../ui/load-state.tsx'
import { Panel } from '../../ui/page.tsx'
import { parseWhen, whenText } from './conditions.ts'
import { operationsOf, type Place } from './place.ts'

type Value = Variable['values'][number]

export function VariablesSection({ place }: { readonly place: Place }) {
  const operations = operationsOf(place)
  const queryClient = useQueryClient()
  const key = ['variables', place.kind, place.ref] as const
  const variables = useQuery({ queryKey: key, queryFn: () => operations.listVariables(true) })
  const [edited, setEdited] = useState<Variable | 'new'>()
  const refresh = () => queryClient.invalidateQueries({ queryKey: key })
  return (
    <Panel
      isPadded={false}
      title="Variables"
      actions={
        place.isReadOnly === true ? null : (
          <Button icon="plus" size="small" onClick={() => setEdited('new')}>
            New variable
          </Button>
        )
      }
    >
      <p className="panel-body soft">
        The nearest of a name counts; of its values the first whose condition fits the run.
      </p>
      <Loaded query={variables} what="the variables">
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No variables here or above" />
          ) : (
            <div className="table-scroll">
              <table className="table">
                <thead>
                  <tr>
                    <th>Name</th>
                    <th>Values</th>
                    <th>From</th>
                    <th>
                      <span className="visually-hidden">Actions</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {items.map((variable, index) => {
                    const isOwn = variable.parentPath === place.path
                    const isOverridden = items.slice(0, index).some(({ name }) => name === variable.name)
                    return (
                      <tr key={variable.id}>
                        <td>
                          {isOverridden ? <s>{variable.name}</s> : variable.name}{' '}
                          {isOverridden ? <span className="tag">overridden</span> : null}
                        </td>
                        <td>
                          <ul className="stack tight">
                            {variable.values.map((value) => (
                              <li key={JSON.stringify(value)}>
                                <ValueText value={value} /> <span className="faint">{whenText(value.when)}</span>
                              </li>
                            ))}
                          </ul>
                        </td>
                        <td className="soft">{isOwn ? 'here' : variable.parentPath}</td>
                        <td>
                          {isOwn && place.isReadOnly !== true ? (
                            <span className="row">
                              <Button
                                size="small"
                                onClick={() => setEdited(variable)}
                                aria-label={`Edit ${variable.name}`}
                              >
                                Edit
                              </Button>
                              <Confirm
                                trigger={
                                  <Button size="small" kind="danger" aria-label={`Remove ${variable.name}`}>
                                    Remove
                                  </Button>
                                }
                                title={`Remove the variable ${variable.name}?`}
                                action="Remove it"
                                isDangerous
                                onConfirm={async () => {
                                  await operations.deleteVariable(variable.name, variable.version)
                                  await refresh()
                                }}
                              >
                                <p>
                                  Runs that begin from now on do not have it, unless a group above has one of that name.
                                </p>
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
        title={edited === 'new' ? 'New variable' : `Edit ${edited?.name ?? ''}`}
      >
        {edited === undefined ? null : (
          <VariableForm
            variable={edited === 'new' ? undefined : edited}
            onSave={async (name, values) => {
              if (edited === 'new') await operations.createVariable({ name, values })
              else await operations.updateVariable(edited.name, { name, values }, edited.version)
              await refresh()
              setEdited(undefined)
            }}
          />
        )}
      </Dialog>
    </Panel>
  )
}

function ValueText({ value }: { readonly value: Value }) {
  if ('value' in value) return <code>{value.value}</code>
  return (
    <>
      secret{' '}
      <code>
        {value.secretName}.{value.secretVar}
      </code>{' '}
      {value.matchingSecretParentPath === undefined ? (
        <span className="state" data-state="failed">
          there is no such secret
        </span>
      ) : (
        <span className="faint">of {value.matchingSecretParentPath}</span>
      )}
    </>
  )
}

type Draft = {
  readonly id: number
  readonly kind: 'text' | 'secret'
  readonly text: string
  readonly secretName: string
  readonly secretVar: string
  readonly when: string
}

function draftOf(value: Value, id: number): Draft {
  const when = value.when === undefined ? '' : whenText(value.when)
  if ('value' in value) return { id, kind: 'text', text: value.value, secretName: '', secretVar: '', when }
  return { id, kind: 'secret', text: '', secretName: value.secretName, secretVar: value.secretVar, when }
}

function valueOfDraft({ kind, text, secretName, secretVar, when: whenLine }: Draft): Value {
  const when = parseWhen(whenLine)
  const condition = when === undefined ? {} : { when }
  return kind === 'text' ? { value: text, ...condition } : { secretName, secretVar, ...condition }
}

function VariableForm({
  variable,
  onSave,
}: {
  readonly variable: Variable | undefined
  readonly onSave: (name: string, values: Variable['values']) => Promise<void>
}) {
  const [name, setName] = useState(variable?.name ?? '')
  const [drafts, setDrafts] = useState<readonly Draft[]>((variable?.values ?? [{ value: '' }]).map(draftOf))
  const save = useMutation({ mutationFn: async () => onSave(name, drafts.map(valueOfDraft)) })
  const change = (id: number, to: Partial<Draft>) =>
    setDrafts(drafts.map((draft) => (draft.id === id ? { ...draft, ...to } : draft)))
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
        required
        autoComplete="off"
      />
      {drafts.map((draft, index) => (
        <fieldset key={draft.id} className="stack tight">
          <legend className="faint">Value {index + 1}</legend>
          <SelectField
            label="Is"
            value={draft.kind}
            onChange={({ target }) => change(draft.id, { kind: target.value as Draft['kind'] })}
            options={[
              ['text', 'a text, readable for members'],
              ['secret', 'a key of a secret'],
            ]}
          />
          {draft.kind === 'text' ? (
            <TextArea
              label="Text"
              value={draft.text}
              onChange={({ target }) => change(draft.id, { text: target.value })}
              rows={2}
            />
          ) : (
            <>
              <TextField
                label="Secret"
                value={draft.secretName}
                onChange={({ target }) => change(draft.id, { secretName: target.value })}
                required
                autoComplete="off"
              />
              <TextField
                label="Key"
                value={draft.secretVar}
                onChange={({ target }) => change(draft.id, { secretVar: target.value })}
                required
                autoComplete="off"
              />
            </>
          )}
          <TextField
            label="When"
            value={draft.when}
            placeholder="always"
            onChange={({ target }) => change(draft.id, { when: target.value })}
            autoComplete="off"
            help="“branch main, /^release-/; not tag v0”"
          />
          {drafts.length > 1 ? (
            <div>
              <Button size="small" kind="quiet" onClick={() => setDrafts(drafts.filter(({ id }) => id !== draft.id))}>
                Leave out this value
              </Button>
            </div>
          ) : null}
        </fieldset>
      ))}
      <div>
        <Button
          size="small"
          icon="plus"
          onClick={() => setDrafts([...drafts, draftOf({ value: '' }, Math.max(...drafts.map(({ id }) => id)) + 1)])}
        >
          Another value
        </Button>
      </div>
      {save.error === null ? null : <Problem error={save.error} />}
      <div className="dialog-actions">
        <Button type="submit" kind="primary" isBusy={save.isPending} disabled={name === ''}>
          Save
        </Button>
      </div>
    </form>
  )
}
