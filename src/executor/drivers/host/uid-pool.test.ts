import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openUidPool } from './uid-pool.ts'

const uids = { first: 1000, count: 3 }

function aMachine() {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-uids-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return {
    claimsDir: join(dir, 'claims'),
    claimed: () => readdirSync(join(dir, 'claims')).filter((name) => /^\d+$/.test(name)),
    pod: (name: string) => {
      const path = join(dir, name)
      mkdirSync(path)
      return path
    },
    pool: (random = () => 0, isPodThere = existsSync as (podDir: string) => boolean) =>
      openUidPool({ claimsDir: join(dir, 'claims'), uids, random, isPodThere }),
  }
}

test('two executors never give the same uid', () => {
  const machine = aMachine()
  const [one, other] = [machine.pool(), machine.pool()]
  expect([one.claim(machine.pod('a')), other.claim(machine.pod('b')), one.claim(machine.pod('c'))]).toEqual([
    1000, 1001, 1002,
  ])
})

test('a released uid is given again, and releasing twice or for another pod changes nothing', () => {
  const machine = aMachine()
  const pool = machine.pool()
  const [a, b] = [machine.pod('a'), machine.pod('b')]
  expect(pool.claim(a)).toBe(1000)
  pool.release(1000, b)
  expect(pool.claim(b)).toBe(1001)
  pool.release(1000, a)
  pool.release(1000, a)
  expect(pool.claim(machine.pod('c'))).toBe(1000)
})

test('the uid of a pod that was not recorded is found and released', () => {
  const machine = aMachine()
  const pool = machine.pool()
  const [a, b] = [machine.pod('a'), machine.pod('b')]
  pool.claim(a)
  pool.claim(b)
  machine.pool().release(undefined, a)
  expect(machine.claimed()).toEqual(['1001'])
})

test('a pod that was renamed keeps its uid until it is released as it was claimed', () => {
  const machine = aMachine()
  const [made, task] = [machine.pod('made'), machine.pod('task')]
  const pool = machine.pool(
    () => 0,
    (podDir) => basename(podDir) === basename(made) || existsSync(podDir),
  )
  const uid = pool.claim(made)
  rmSync(made, { recursive: true })
  for (const name of ['b', 'c']) pool.claim(machine.pod(name))
  expect(() => pool.claim(machine.pod('d'))).toThrow('all 3 uids of tasks are taken')
  pool.release(uid, task)
  expect(machine.claimed()).toContain(String(uid))
  pool.release(uid, made)
  expect(pool.claim(machine.pod('e'))).toBe(uid)
})

test('claims of pods that are gone are dropped when all uids are taken', () => {
  const machine = aMachine()
  const pool = machine.pool(() => 0.99)
  for (const uid of [1000, 1001]) symlinkSync('/nowhere/pod', join(machine.claimsDir, String(uid)))
  const kept = machine.pod('kept')
  expect(pool.claim(kept)).toBe(1002)
  expect(pool.claim(machine.pod('next'))).toBe(1000)
  expect(machine.claimed().sort()).toEqual(['1000', '1002'])
})

test('without a free uid the setup fails and says so', () => {
  const machine = aMachine()
  const pool = machine.pool()
  for (const name of ['a', 'b', 'c']) pool.claim(machine.pod(name))
  expect(() => pool.claim(machine.pod('d'))).toThrow('all 3 uids of tasks are taken')
})

test('a claim is short enough to need no block of the disk', () => {
  const machine = aMachine()
  machine.pool().claim(machine.pod('spare-6f1c1d4e-3a52-4b6c-9f3e-0d6a3c1b2e4f'))
  expect(lstatSync(join(machine.claimsDir, '1000')).size).toBeLessThan(60)
})

test('the directory of an executor that is gone is forgotten', () => {
  const machine = aMachine()
  machine.pool()
  symlinkSync('/nowhere', join(machine.claimsDir, 'of-0123456789ab'))
  machine.pool()
  expect(readdirSync(machine.claimsDir)).toEqual([])
})
