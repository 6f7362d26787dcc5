// Replacing everything by what was exported. Only in maintenance, and after the name of what one does was typed.

import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { uploadImport } from '../../api/client.ts'
import { Button } from '../../ui/button.tsx'
import { Confirm } from '../../ui/dialogs.tsx'
import { TextField } from '../../ui/field.tsx'
import { Panel } from '../../ui/page.tsx'
import { bytesText } from '../../ui/time-text.ts'

export function ImportPanel({ isInMaintenance }: { readonly isInMaintenance: boolean }) {
  const queryClient = useQueryClient()
  const [file, setFile] = useState<File>()
  const [passphrase, setPassphrase] = useState('')
  const [isDone, setDone] = useState(false)
  return (
    <Panel title="Import">
      <div className="form">
        <p className="soft">
          All rows are replaced by those of an exported file. Needs maintenance, so that nothing is written meanwhile.
        </p>
        {isInMaintenance ? (
          <>
            <TextField
              label="File"
              type="file"
              onChange={({ target }) => {
                setDone(false)
                setFile(target.files?.[0])
              }}
            />
            <TextField
              label="Passphrase"
              type="password"
              value={passphrase}
              onChange={({ target }) => setPassphrase(target.value)}
              autoComplete="off"
              help="When the export was made with one."
            />
            <div className="row">
              <Confirm
                trigger={
                  <Button kind="danger" disabled={file === undefined}>
                    Import
                  </Button>
                }
                title="Replace everything?"
                action="Replace everything"
                isDangerous
                typed="replace"
                onConfirm={async () => {
                  await uploadImport(file!, passphrase)
                  setDone(true)
                  await queryClient.invalidateQueries()
                }}
              >
                <p>
                  Users, projects, secrets, runs: what is here now is gone after it, and {file?.name} (
                  {bytesText(file?.size ?? 0)}) stands in its place.
                </p>
              </Confirm>
              <span role="status">{isDone ? 'Imported. End the maintenance when you have looked at it.' : ''}</span>
            </div>
          </>
        ) : (
          <p>Begin the maintenance first.</p>
        )}
      </div>
    </Panel>
  )
}
