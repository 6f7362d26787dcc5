// Dialogs and menus on Base UI, which has focus, keyboard and names for screen readers right.

import { AlertDialog } from '@base-ui/react/alert-dialog'
import { Dialog as BaseDialog } from '@base-ui/react/dialog'
import { Menu as BaseMenu } from '@base-ui/react/menu'
import { type ReactElement, type ReactNode, useState } from 'react'
import { Button } from './button.tsx'
import { Problem } from './load-state.tsx'

type ConfirmProps = {
  readonly trigger?: ReactElement
  readonly isOpen?: boolean
  readonly onOpenChange?: (isOpen: boolean) => void
  readonly title: string
  /** What it will do. */
  readonly children: ReactNode
  readonly action: string
  readonly isDangerous?: boolean
  /** What must be typed to enable the action. */
  readonly typed?: string
  /** Closes when it resolves; what it rejects with is shown. */
  readonly onConfirm: () => Promise<unknown>
}

/** Asks before something is done, and says what it will do. */
export function Confirm({
  trigger,
  isOpen,
  onOpenChange,
  title,
  children,
  action,
  isDangerous = false,
  typed,
  onConfirm,
}: ConfirmProps) {
  const [ownOpen, setOwnOpen] = useState(false)
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>()
  const [text, setText] = useState('')
  const open = isOpen ?? ownOpen
  const change = (to: boolean) => {
    setError(undefined)
    setText('')
    setOwnOpen(to)
    onOpenChange?.(to)
  }
  const confirm = async () => {
    setBusy(true)
    setError(undefined)
    try {
      await onConfirm()
      change(false)
    } catch (thrown) {
      setError(thrown)
    } finally {
      setBusy(false)
    }
  }
  const isReady = typed === undefined || text === typed
  return (
    <AlertDialog.Root open={open} onOpenChange={change}>
      {trigger === undefined ? null : <AlertDialog.Trigger render={trigger} />}
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className="backdrop" />
        <AlertDialog.Popup className="dialog">
          <form
            className="dialog-body"
            onSubmit={(event) => {
              event.preventDefault()
              if (isReady && !isBusy) void confirm()
            }}
          >
            <AlertDialog.Title render={<h2 />}>{title}</AlertDialog.Title>
            <AlertDialog.Description render={<div className="stack tight" />}>{children}</AlertDialog.Description>
            {typed === undefined ? null : (
              <label className="field">
                <span>
                  Type <strong>{typed}</strong> to go on
                </span>
                <input
                  className="input"
                  value={text}
                  onChange={(event) => setText(event.target.value)}
                  autoComplete="off"
                />
              </label>
            )}
            {error === undefined ? null : <Problem error={error} />}
            <div className="dialog-actions">
              <AlertDialog.Close render={<Button />}>Keep as it is</AlertDialog.Close>
              <Button type="submit" kind={isDangerous ? 'danger' : 'primary'} isBusy={isBusy} disabled={!isReady}>
                {isBusy ? 'One moment…' : action}
              </Button>
            </div>
          </form>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  )
}

/** A button in a row that takes what the row is about away. */
export function RemoveButton({
  name,
  verb = 'Remove',
  title = `${verb} ${name}?`,
  onConfirm,
  children,
}: Pick<ConfirmProps, 'children' | 'onConfirm'> & {
  readonly name: string
  readonly verb?: string
  readonly title?: string
}) {
  return (
    <Confirm
      trigger={
        <Button size="small" kind="danger" aria-label={`${verb} ${name}`}>
          {verb}
        </Button>
      }
      title={title}
      action={`${verb} it`}
      isDangerous
      onConfirm={onConfirm}
    >
      {children}
    </Confirm>
  )
}

type DialogProps = {
  readonly isOpen: boolean
  readonly onOpenChange: (isOpen: boolean) => void
  readonly title: string
  readonly children: ReactNode
  /** False where one has to answer. */
  readonly isClosable?: boolean
}

export function Dialog({ isOpen, onOpenChange, title, children, isClosable = true }: DialogProps) {
  return (
    <BaseDialog.Root open={isOpen} onOpenChange={(to) => (isClosable || to ? onOpenChange(to) : undefined)}>
      <BaseDialog.Portal>
        <BaseDialog.Backdrop className="backdrop" />
        <BaseDialog.Popup className="dialog">
          <div className="dialog-body">
            <div className="row">
              <BaseDialog.Title render={<h2 className="grow" />}>{title}</BaseDialog.Title>
              {isClosable ? (
                <BaseDialog.Close render={<Button kind="quiet" size="small" icon="close" aria-label="Close" />} />
              ) : null}
            </div>
            {children}
          </div>
        </BaseDialog.Popup>
      </BaseDialog.Portal>
    </BaseDialog.Root>
  )
}

type MenuProps = { readonly trigger: ReactElement; readonly children: ReactNode; readonly isOpenFirst?: boolean }

export function Menu({ trigger, children, isOpenFirst = false }: MenuProps) {
  return (
    <BaseMenu.Root modal={false} defaultOpen={isOpenFirst}>
      <BaseMenu.Trigger render={trigger} />
      <BaseMenu.Portal>
        <BaseMenu.Positioner className="menu-positioner" sideOffset={4} align="end">
          <BaseMenu.Popup className="menu">{children}</BaseMenu.Popup>
        </BaseMenu.Positioner>
      </BaseMenu.Portal>
    </BaseMenu.Root>
  )
}

type MenuItemProps = {
  readonly children: ReactNode
  readonly help?: string
  readonly link?: ReactElement
  readonly onSelect?: () => void
}

export function MenuItem({ children, help, link, onSelect }: MenuItemProps) {
  return (
    <BaseMenu.Item
      className="menu-item"
      {...(link === undefined ? {} : { render: link, nativeButton: false })}
      {...(onSelect === undefined ? {} : { onClick: onSelect })}
    >
      <span>{children}</span>
      {help === undefined ? null : <span className="help">{help}</span>}
    </BaseMenu.Item>
  )
}

export function MenuLine() {
  return <BaseMenu.Separator className="menu-line" />
}
