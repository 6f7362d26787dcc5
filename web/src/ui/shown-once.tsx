import { useState } from 'react'
import { Button } from './button.tsx'

/** A secret that was just made, with a way to take it along. */
export function ShownOnce({
  title,
  secret,
  onDone,
}: {
  readonly title: string
  readonly secret: string
  readonly onDone?: () => void
}) {
  return (
    <div className="note" role="status">
      <span />
      <div className="stack tight">
        <strong>{title}</strong>
        <code>{secret}</code>
      </div>
      <span className="row">
        <CopyButton text={secret} />
        {onDone === undefined ? null : (
          <Button size="small" onClick={onDone}>
            Done
          </Button>
        )}
      </span>
    </div>
  )
}

/** Nothing where the browser lets nobody copy: on plain http elsewhere than on this machine. */
export function CopyButton({ text }: { readonly text: string }) {
  const [isCopied, setCopied] = useState(false)
  if (!('clipboard' in navigator)) return null
  return (
    <Button
      size="small"
      icon="copy"
      onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}
    >
      {isCopied ? 'Copied' : 'Copy'}
    </Button>
  )
}
