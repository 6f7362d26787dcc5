// What is on the disk when a write is answered: the syncs are recorded in a process of its own, before the storage is loaded.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/** Prints, for each call, the paths that were synced before it was answered. */
const program = (root: string) => `
  import fs from 'node:fs'
  import { syncBuiltinESMExports } from 'node:module'
  let synced = []
  const fsync = fs.fsync
  fs.fsync = (file, done) => {
    synced.push(fs.readlinkSync('/proc/self/fd/' + file))
    fsync(file, done)
  }
  syncBuiltinESMExports()
  const handle = await fs.promises.open(${JSON.stringify(root)})
  const { sync } = Object.getPrototypeOf(handle)
  Object.getPrototypeOf(handle).sync = async function () {
    synced.push(fs.readlinkSync('/proc/self/fd/' + this.fd))
    await sync.call(this)
  }
  await handle.close()
  const { openPosixObjectStorage } = await import(${JSON.stringify(join(import.meta.dirname, 'posix.ts'))})
  const ost = await openPosixObjectStorage({ root: ${JSON.stringify(root)} })
  const told = {}
  const record = async (name, act) => {
    synced = []
    await act()
    told[name] = synced
    synced = []
  }
  await record('put', () => ost.put('a/b/small', Buffer.from('x')))
  await record('create', () => ost.create('a/c/small', Buffer.from('x')))
  await record('large', () => ost.put('a/d/large', (async function* () { yield Buffer.alloc(300000) })()))
  await record('delete', () => ost.delete('a/d/large'))
  await record('again', () => ost.put('a/b/other', Buffer.from('x')))
  const db = ${JSON.stringify(join(root, 'data', 'da', 'db'))}
  fs.rmSync(db, { recursive: true })
  await record('removed', () => ost.put('a/b/small', Buffer.from('x')))
  fs.renameSync(db, db + '.away')
  fs.mkdirSync(db)
  await record('replaced', () => ost.put('a/b/small', Buffer.from('x')))
  const others = Array.from({ length: 80 }, (_, number) => 'others/' + number + '/small')
  for (const key of others) await ost.put(key, Buffer.from('x'))
  await record('forgotten', () => ost.put('others/0/other', Buffer.from('x')))
  console.log(JSON.stringify(told))
`

test('before a write is answered its file is synced, then its folder and those that got a new one; before a delete the folder that lost it', () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'slipway-synced-')))
  try {
    const args = ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', program(root)]
    const told = JSON.parse(execFileSync(process.execPath, args).toString()) as Record<string, string[]>
    const data = join(root, 'data')
    for (const [call, expected] of [
      ['put', ['', 'da', 'da/db']],
      ['create', ['da', 'da/dc']],
      ['large', ['da', 'da/dd']],
      ['again', ['da/db']],
      ['removed', ['da', 'da/db']],
      ['replaced', ['da', 'da/db']],
      ['forgotten', ['dothers', 'dothers/d0']],
    ] as const) {
      const [file, ...folders] = told[call] ?? []
      expect(file, call).toContain(join(root, 'tmp'))
      expect(folders.sort(), call).toEqual(expected.map((folder) => join(data, folder)))
    }
    expect(told.delete).toEqual([join(data, 'da')])
  } finally {
    rmSync(root, { recursive: true })
  }
})
