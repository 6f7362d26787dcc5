// Parts that several forms and pages of settings have.

import type { ReactNode } from 'react'
import { Button } from './button.tsx'
import { Confirm } from './dialogs.tsx'
import { Panel } from './page.tsx'

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
