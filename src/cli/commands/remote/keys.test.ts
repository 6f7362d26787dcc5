import { Command } from 'commander'
import { expect, test } from 'vitest'
import type { AddRemote, Remote } from '../../remote/remote-command.ts'
import { addKeyCommands } from './keys.ts'

/** A server whose values are sealed anew in these steps. */
async function rotate(steps: readonly { resealed: number; remaining: number }[], ...args: readonly string[]) {
  const calls: string[] = []
  const printed = { stdout: [] as string[], stderr: [] as string[] }
  const waiting = [...steps]
  const answers: Readonly<Record<string, () => unknown>> = {
    getKeys: () => ({
      items: [
        { id: 'old', isActive: false },
        { id: 'newest', isActive: true },
      ],
    }),
    rotateKey: () => ({ keyId: 'made' }),
    resealValues: () => waiting.shift(),
  }
  const remote = {
    client: {
      call: async (operation: string) => {
        calls.push(operation)
        return answers[operation]!()
      },
    },
    io: {
      stdout: { write: (text: string) => void printed.stdout.push(text) },
      stderr: { write: (text: string) => void printed.stderr.push(text) },
    },
    format: 'table',
  } as unknown as Remote // no more than the command uses
  const program = new Command('slipway')
  const add: AddRemote = (command, action) => {
    command.action(async (...given: unknown[]) => {
      await action(remote, given.at(-2) as never, ...(given.slice(0, -2) as never))
    })
  }
  addKeyCommands(program, add)
  await program.parseAsync(['key', 'rotate', ...args], { from: 'user' })
  return { calls, stdout: printed.stdout.join(''), stderr: printed.stderr.join('') }
}

test('rotate seals values anew until none remains, and says how far it is', async () => {
  const steps = [
    { resealed: 500, remaining: 700 },
    { resealed: 500, remaining: 200 },
    { resealed: 200, remaining: 0 },
  ]
  expect(await rotate(steps)).toEqual({
    calls: ['rotateKey', 'resealValues', 'resealValues', 'resealValues'],
    stdout: 'key                 made\nvalues sealed anew  1200\n',
    stderr: '500 values sealed anew, 700 remain\n1000 values sealed anew, 200 remain\n',
  })
})

test('rotate --resume makes no other key', async () => {
  expect(await rotate([{ resealed: 3, remaining: 0 }], '--resume')).toEqual({
    calls: ['getKeys', 'resealValues'],
    stdout: 'key                 newest\nvalues sealed anew  3\n',
    stderr: '',
  })
})
