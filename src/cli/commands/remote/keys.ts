// `slipway key`: the keys that secrets are sealed under (docs/operations.md, "Keys").

import type { Command } from 'commander'
import type { ResponseOf } from '../../../contract/route.ts'
import type { ApiRoutes } from '../../../contract/routes.ts'
import { type Column, printItem, printJson, printList } from '../../remote/print.ts'
import type { AddRemote } from '../../remote/remote-command.ts'

type Key = ResponseOf<ApiRoutes['getKeys']>['items'][number]

const keyColumns: readonly Column<Key>[] = [
  ['id', ({ id }) => id],
  ['active', ({ isActive }) => isActive],
  ['values', ({ values }) => values],
  ['created', ({ createdAt }) => createdAt],
  ['installation key', ({ installationKeyId }) => installationKeyId],
]

export function addKeyCommands(program: Command, add: AddRemote): void {
  const key = program.command('key').summary('keys that secrets are sealed under')
  add(
    key.command('status').summary('data keys, and how many values are sealed under each'),
    async ({ client, io, format }) => {
      const keys = await client.call('getKeys')
      if (format === 'json') printJson(keys, io)
      else printList(keys.items, keyColumns, format, io)
    },
  )
  add(
    key
      .command('rotate')
      .summary('make a new data key and seal all values under it')
      .option('--resume', 'only go on with the values, under the newest key'),
    async ({ client, io, format }, { resume }: { resume?: boolean }) => {
      const keyId = resume
        ? (await client.call('getKeys')).items.find(({ isActive }) => isActive)!.id // There is always one.
        : (await client.call('rotateKey')).keyId
      let resealed = 0
      for (let isMore = true; isMore; ) {
        const step = await client.call('resealValues')
        resealed += step.resealed
        isMore = step.remaining > 0
        if (isMore) io.stderr.write(`${resealed} values sealed anew, ${step.remaining} remain\n`)
      }
      const rotated = { keyId, resealed }
      printItem(
        rotated,
        [
          ['key', () => keyId],
          ['values sealed anew', () => resealed],
        ],
        format,
        io,
      )
    },
  )
  add(
    key.command('retire <key>').summary('remove a data key that nothing is sealed under'),
    async ({ client }, _options, keyId: string) => {
      await client.call('retireKey', { params: { keyId } })
    },
  )
}
