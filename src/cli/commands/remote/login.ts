// `slipway login`, `slipway logout`, `slipway context`: which servers this user works with.

import { type Command, Option } from 'commander'
import { SlipwayError } from '../../../lib/errors.ts'
import type { Io } from '../../io.ts'
import { contextsFile, loadContexts, saveContexts, unknownContext, withoutContext } from '../../remote/contexts.ts'
import type { LoginOptions } from '../../remote/login.ts'
import { type OutputFormat, outputFormats, printList } from '../../remote/print.ts'

export function addLoginCommands(program: Command, io: Io): void {
  program
    .command('login <url>')
    .summary('work with a server: makes a token for this machine and keeps it')
    .description(
      'Asks for name and password, makes a token for this machine and keeps it with the address as a context, which becomes the current one.',
    )
    .option('--context <name>', 'name of the context (default: host and port of the address)')
    .option('-u, --username <name>', 'who logs in (default: asks)')
    .option('--password-stdin', 'read the password from standard input')
    .addOption(
      new Option('--token-file <file>', 'use the token in this file; - is standard input').conflicts([
        'username',
        'passwordStdin',
        'setup',
      ]),
    )
    .option('--setup <file>', 'make the first administrator, with the link in this file of a new server')
    .action(async (url: string, options: LoginOptions) => {
      await (await import('../../remote/login.ts')).login(url, options, io)
    })
  program
    .command('logout [context]')
    .summary('forget a context (default: the current one)')
    .description('Forgets a context. Its token stays valid until it is deleted: slipway user token delete.')
    .action((name: string | undefined) => {
      const path = contextsFile(io.environment)
      const contexts = loadContexts(path)
      const chosen = name ?? contexts.current
      if (chosen === undefined) throw new SlipwayError('usage', 'there is no current context to forget')
      saveContexts(path, withoutContext(contexts, chosen))
      io.stdout.write(`Forgot ${chosen}.\n`)
    })
  const context = program.command('context').summary('the servers this user works with')
  context
    .command('list')
    .summary('all contexts; the current one is marked')
    .addOption(new Option('-o, --output <format>', 'how to tell').choices(outputFormats).default('table'))
    .action(({ output }: { readonly output: OutputFormat }) => {
      const { current, contexts } = loadContexts(contextsFile(io.environment))
      const items = Object.entries(contexts).map(([name, { url }]) => ({ name, url, isCurrent: name === current }))
      printList(
        items,
        [
          ['name', (item) => item.name],
          ['server', (item) => item.url],
          ['current', (item) => (item.isCurrent ? '*' : '')],
        ],
        output,
        io,
      )
    })
  context
    .command('use <name>')
    .summary('make a context the current one')
    .action((name: string) => {
      const path = contextsFile(io.environment)
      const { contexts } = loadContexts(path)
      if (contexts[name] === undefined) throw unknownContext(name, contexts)
      saveContexts(path, { current: name, contexts })
    })
}
