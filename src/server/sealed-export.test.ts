import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openExport } from '../datamanager/export/export-database.ts'
import type { ExportHeader } from '../datamanager/export/export-format.ts'
import { importDatabase } from '../datamanager/export/import-database.ts'
import { openDatabase } from '../datamanager/open-database.ts'
import { collectBytes } from '../lib/bytes.ts'
import { systemClock } from '../lib/clock.ts'
import type { Json } from '../lib/json.ts'
import { newSealingKey, type SealingKey, seal, unseal } from '../lib/sealing.ts'
import type { ReceiverSecretRow, Tx } from '../notification/row-types.ts'
import { findSecret, putSecret } from '../notification/sealed.ts'
import { openPosixObjectStorage } from '../objectstorage/posix.ts'
import { type RunserviceSchema, runserviceRowTypes } from '../runservice/row-types.ts'
import { secretsExport, secretsImport } from './sealed-export.ts'

const signal = new AbortController().signal

async function* streamOf(bytes: Uint8Array) {
  yield bytes
}

test('secrets go under a passphrase to an installation with another key, the same bytes each time, and not in clear', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-sealed-export-'))
  try {
    await using ost = await openPosixObjectStorage({ root: join(folder, 'ost') })
    const [ours, theirs] = [newSealingKey(), newSealingKey()]
    const open = (name: string) =>
      openDatabase<RunserviceSchema>({
        ...{ path: join(folder, name), types: runserviceRowTypes, clock: systemClock },
        storage: { place: { ost, base: name } },
      })
    const place = (storeId: string) => ({ storeId, type: 'runconfig', id: 'c1', field: 'TOKEN' })
    let whole: Buffer
    let plainExport: Buffer
    {
      await using db = await open('ours')
      const storeId = db.identity.store
      const sealed = seal(ours, place(storeId), 'hunter2hunter2')
      await db.do((tx) => tx.put('runsecret', 'c1/x', { runConfigId: 'c1', name: 'TOKEN', sealed }))
      const options = { database: 'runservice', place: { ost, base: 'ours' }, signal }
      const exporting = async (keys = [ours] as const, resume?: { id: string; offset: number }) => {
        const secrets = secretsExport('runservice', { keys, storeId, passphrase: 'correct horse' })
        await using opened = await openExport(db.upkeep!, { ...options, secrets, resume })
        return { id: opened.id, bytes: await collectBytes(opened.stream) }
      }
      const first = await exporting()
      whole = first.bytes
      expect((await exporting([ours], { id: first.id, offset: 100 })).bytes).toEqual(whole.subarray(100))
      expect(whole.toString()).not.toContain('hunter2')
      await expect(exporting([theirs])).rejects.toMatchObject({ code: 'key_wrong' })
      await using plain = await openExport(db.upkeep!, options)
      plainExport = await collectBytes(plain.stream)
    }
    const importing = (bytes: Buffer, passphrase: string | undefined) =>
      importDatabase({
        ...{ place: { ost, base: 'theirs' }, database: 'runservice', types: runserviceRowTypes, now: 2 },
        stream: streamOf(bytes),
        openSecrets: (header) => secretsImport('runservice', header, { key: theirs, passphrase }),
      })
    await expect(importing(whole, 'wrong horse')).rejects.toMatchObject({ code: 'key_wrong' })
    await expect(importing(plainExport, 'correct horse')).rejects.toMatchObject({ code: 'usage' })
    await importing(whole, 'correct horse')
    await using db = await open('theirs')
    const row = db.view((tx) => tx.get('runsecret', 'c1/x'))
    expect(unseal([theirs], place(db.identity.store), row!.sealed)).toBe('hunter2hunter2')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('secrets of receivers of notifications go the same way', async () => {
  const [ours, theirs] = [newSealingKey(), newSealingKey()]
  const passphrase = 'correct horse'
  const at = { receiverId: 'r1', field: 'secret' } as const
  const sealing = (key: SealingKey) => ({ storeId: 'store', keys: [key] as const })
  const rows = new Map<string, ReceiverSecretRow>()
  const tx = {
    put: (_: string, id: string, row: ReceiverSecretRow) => void rows.set(id, row),
    get: (_: string, id: string) => rows.get(id),
  } as unknown as Tx
  putSecret(tx, sealing(ours), at, 'hunter2hunter2')
  const [[id, body] = ['', undefined]] = [...rows]
  const exported = secretsExport('notification', { keys: [ours], storeId: 'store', passphrase })({
    generation: 'g',
    position: 1,
  })
  const row = { type: 'receiversecret', id, store: 'store', body: body as unknown as Json }
  const wrapped = exported.wrap(row)!
  expect(JSON.stringify(wrapped)).not.toContain('hunter2')
  const header = { secrets: exported.header } as unknown as ExportHeader
  const imported = secretsImport('notification', header, { key: theirs, passphrase })!
  rows.set(id, imported.unwrap(row, wrapped) as unknown as ReceiverSecretRow)
  expect(findSecret(tx, sealing(theirs), { ...at, now: 0 })).toBe('hunter2hunter2')
})
