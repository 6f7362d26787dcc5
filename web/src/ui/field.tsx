// Fields of forms: a label, help, and what is wrong with the value, tied together for screen readers.

import {
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
  useId,
} from 'react'

type Frame = { readonly label: ReactNode; readonly help?: ReactNode; readonly problem?: string | undefined }

function Frame({ id, label, help, problem, children }: Frame & { readonly id: string; readonly children: ReactNode }) {
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children}
      {help === undefined ? null : (
        <div className="help" id={`${id}-help`}>
          {help}
        </div>
      )}
      {problem === undefined ? null : (
        <div className="problem" id={`${id}-problem`}>
          {problem}
        </div>
      )}
    </div>
  )
}

function described(id: string, { help, problem }: Frame) {
  const ids = [...(help === undefined ? [] : [`${id}-help`]), ...(problem === undefined ? [] : [`${id}-problem`])]
  return {
    ...(ids.length === 0 ? {} : { 'aria-describedby': ids.join(' ') }),
    ...(problem === undefined ? {} : { 'aria-invalid': true }),
  }
}

export function TextField({ label, help, problem, ...input }: Frame & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId()
  return (
    <Frame {...{ id, label, help, problem }}>
      <input id={id} className="input" {...described(id, { label, help, problem })} {...input} />
    </Frame>
  )
}

export function TextArea({ label, help, problem, ...input }: Frame & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId()
  return (
    <Frame {...{ id, label, help, problem }}>
      <textarea
        id={id}
        className="textarea"
        spellCheck={false}
        {...described(id, { label, help, problem })}
        {...input}
      />
    </Frame>
  )
}

type SelectProps = Frame &
  SelectHTMLAttributes<HTMLSelectElement> & { readonly options: readonly (readonly [value: string, text: string])[] }

export function SelectField({ label, help, problem, options, ...select }: SelectProps) {
  const id = useId()
  return (
    <Frame {...{ id, label, help, problem }}>
      <select id={id} className="select" {...described(id, { label, help, problem })} {...select}>
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </Frame>
  )
}

export function CheckField({ label, help, ...input }: Frame & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId()
  return (
    <div className="check">
      <input id={id} type="checkbox" {...described(id, { label, help })} {...input} />
      <label htmlFor={id}>{label}</label>
      {help === undefined ? null : (
        <div className="help" id={`${id}-help`}>
          {help}
        </div>
      )}
    </div>
  )
}
