// Variables: what tasks see in their environment, as a text or out of a secret, by branch, tag or ref.

import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import type { Variable } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { SelectField, TextArea, TextField } from '../../ui/field.tsx'
import { ActionForm } from '../../ui/form-parts.tsx'
import { NameField } from '../projects/name-field.tsx'
import { parseWhen, whenText } from './conditions.ts'
import { InheritedSection } from './inherited-section.tsx'
import { operationsOf, type Place } from './place.ts'

type Value = Variable['values'][number]

export function VariablesSection({ place }: { readonly place: Place }) {
  const operations = operationsOf(place)
  return (
    <InheritedSection<Variable>
      place={place}
      noun="variable"
      list={() => operations.listVariables(true)}
      remove={operations.deleteVariable}
      about="The nearest of a name counts; of its values the first whose condition fits the run."
      heads={['Name', 'Values']}
      cells={(variable, all) => {
        const nearest = all.find(({ name }) => name === variable.name)
        return (
          <>
            <td>
              {nearest === variable ? variable.name : <s>{variable.name}</s>}{' '}
              {nearest === variable ? null : <span className="tag">overridden</span>}
            </td>
            <td>
              <ul className="stack tight">
                {variable.values.map((value) => (
                  <li key={JSON.stringify(value)}>
                    <ValueText value={value} />
                    <span className="faint">
                      {' · '}
                      {value.when === undefined ? 'always' : `when ${whenText(value.when)}`}
                    </span>
                  </li>
                ))}
              </ul>
            </td>
          </>
        )
      }}
      changeWord="Edit"
      lost={<p>Runs that begin from now on do not have it, unless a group above has one of that name.</p>}
      form={(variable, onSave) => (
        <VariableForm
          variable={variable}
          onSave={(name, values) =>
            onSave(() =>
              variable === undefined
                ? operations.createVariable({ name, values })
                : operations.updateVariable(variable.name, { name, values }, variable.version),
            )
          }
        />
      )}
    />
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
  return (
    <ActionForm onSubmit={() => save.mutate()} state={save} action="Save" isInDialog isReady={name !== ''}>
      <NameField name={name} onName={setName} />
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
    </ActionForm>
  )
}
