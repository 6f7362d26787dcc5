import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import { Command } from 'commander'
import { expect, test } from 'vitest'
import { openDatabase } from '../../datamanager/open-database.ts'
import { systemClock } from '../../lib/clock.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import { type RunserviceSchema, runserviceRowTypes } from '../../runservice/row-types.ts'
import { addDatabaseCommand } from '../commands/database.ts'
import type { Io } from '../io.ts'

async function slipway(args: readonly string[], stdin = Buffer.alloc(0)) {
  const chunks = { out: [] as Buffer[], err: [] as Buffer[] }
  const into = (list: Buffer[]) =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        list.push(chunk)
        done()
      },
    })
  const io: Io = {
    cwd: '/',
    environment: {},
    stdin: stdin.length === 0 ? new PassThrough().end() : Readable.from([stdin]),
    stdout: into(chunks.out),
    stderr: into(chunks.err),
    onInterrupt: () => ({ [Symbol.dispose]() {} }),
    onExit: () => ({ [Symbol.dispose]() {} }),
    onSuspend: () => ({ [Symbol.dispose]() {} }),
    exit: () => {
      throw new Error('exit')
    },
  }
  let status = -1
  const program = new Command('slipway').exitOverride()
  addDatabaseCommand(program, io, (value) => {
    status = value
  })
  await program.parseAsync(['database', ...args], { from: 'user' })
  return { status, out: Buffer.concat(chunks.out), err: Buffer.concat(chunks.err).toString() }
}

test('a stopped installation is looked at, verified, exported, lost, restored and imported elsewhere', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-database-'))
  try {
    const first = join(folder, 'first')
    const plainType = Object.entries(runserviceRowTypes).find(([, type]) => !('indexes' in type))![0]
    {
      await using ost = await openPosixObjectStorage({ root: join(first, 'objects') })
      await using db = await openDatabase<RunserviceSchema>({
        path: join(first, 'database'),
        types: runserviceRowTypes,
        clock: systemClock,
        storage: { place: { ost, base: 'database/runservice' } },
      })
      await db.do((tx) => tx.put(plainType as 'run', 'a', {} as never)) // any row will do
      await db.upkeep!.snapshot()
    }
    expect((await slipway(['status', first])).out.toString()).toMatch(
      /^database: embedded, record 1, .*\n.*\nshipped: up to record 1\nsnapshots: 1, /,
    )
    const verified = await slipway(['verify', first])
    expect({ status: verified.status, err: verified.err }).toEqual({ status: 0, err: '' })
    const exported = await slipway(['export', first])
    expect(exported.out.toString().trimEnd().split('\n')).toHaveLength(3)
    rmSync(join(first, 'database'))
    expect((await slipway(['restore', first, '--from', '1'])).out.toString()).toMatch(
      /^restored up to record 1, from snapshot 1;/,
    )
    expect(readFileSync(join(first, 'database')).length).toBeGreaterThan(0)
    const second = join(folder, 'second')
    expect((await slipway(['import', second], exported.out)).out.toString()).toMatch(/^imported 1 rows/)
    expect((await slipway(['verify', second])).status).toBe(0)
    await expect(slipway(['import', second], exported.out.subarray(0, 200))).rejects.toMatchObject({
      code: 'import_invalid',
    })
    await expect(slipway(['status', join(folder, 'nothing')])).rejects.toMatchObject({ code: 'usage' })
    await expect(slipway(['restore', first, '--from', 'x'])).rejects.toMatchObject({ code: 'usage' })
  } finally {
    rmSync(folder, { recursive: true })
  }
})
