// Parts that several forms and pages of settings have.

import type { ReactNode } from 'react'
import { Button } from './button.tsx'
import { Confirm } from './dialogs.tsx'
import { Problem } from './load-state.tsx'
import { Panel } from './page.tsx'

type ActionFormProps = {
  /** With the form, whose fields it may read. */
  readonly onSubmit: (form: HTMLFormElement) => void
  /** Of what was submitted: while it goes on nothing is submitted again, and what went wrong stands above the button. */
  readonly state: { readonly error: unknown; readonly isPending: boolean }
  /** What the button says. */
  readonly action: string
  /** Beside something of more weight. */
  readonly isPlain?: boolean
  readonly isReady?: boolean
  readonly isInDialog?: boolean
  /** Beside the button. */
  readonly beside?: ReactNode
  readonly children: ReactNode
}

/** A form that does one thing. */
export function ActionForm({
  onSubmit,
  state,
  action,
  isPlain = false,
  isReady = true,
  isInDialog = false,
  beside,
  children,
}: ActionFormProps) {
  return (
    <form
      className="form"
      onSubmit={(event) => {
        event.preventDefault()
        if (isReady && !state.isPending) onSubmit(event.currentTarget)
      }}
    >
      {children}
      {state.error === null ? null : <Problem error={state.error} />}
      <div className={isInDialog ? 'dialog-actions' : 'form-actions'}>
        <Button type="submit" {...(isPlain ? {} : { kind: 'primary' })} isBusy={state.isPending} disabled={!isReady}>
          {action}
        </Button>
        {beside}
      </div>
    </form>
  )
}

/** The end of a form that saves, with the word that it did. */
export function SaveRow({
  isBusy,
  isSaved,
  isReady,
}: {
  readonly isBusy: boolean
  readonly isSaved: boolean
  readonly isReady: boolean
}) {
  return (
    <div className="form-actions">
      <Button type="submit" kind="primary" isBusy={isBusy} disabled={!isReady}>
        Save
      </Button>
      <span role="status" className="soft">
        {isSaved ? 'Saved.' : ''}
      </span>
    </div>
  )
}

type RemovePanelProps = {
  /** What goes with it. */
  readonly about: ReactNode
  readonly noun: 'project' | 'group' | 'organization'
  readonly path: string
  /** Its name, to be typed. */
  readonly name: string
  readonly onConfirm: () => Promise<unknown>
  /** What nothing brings back. */
  readonly children: ReactNode
}

/** The last panel of settings: what they are about goes for good, after its name was typed. */
export function RemovePanel({ about, noun, path, name, onConfirm, children }: RemovePanelProps) {
  return (
    <Panel title="Remove">
      <div className="row">
        <p className="grow soft">{about}</p>
        <Confirm
          trigger={<Button kind="danger">Remove the {noun}</Button>}
          title={`Remove ${path}?`}
          action="Remove it for good"
          isDangerous
          typed={name}
          onConfirm={onConfirm}
        >
          <p>{children}</p>
        </Confirm>
      </div>
    </Panel>
  )
}
