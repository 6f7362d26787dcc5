// `slipway plan`: what an event would run, and why not the rest. Nothing is executed.

import { type Command, Option } from 'commander'
import { addEventOptions } from '../event-options.ts'
import { exitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'
import type { PlanOptions } from '../plan/show-plan.ts'

export function addPlanCommand(program: Command, io: Io, setStatus: (status: number) => void): void {
  const command = program
    .command('plan')
    .summary('show what would run for an event, and why not the rest')
    .description('Shows what an event would run, and why not the rest. Nothing is executed.')
    .option('-f, --file <path>', 'the definition (default: .slipway/config.yml or .agola/config.yml)')
    .option('--message <text>', 'the message of the commit (default: that of HEAD)')
    .addOption(new Option('-o, --output <mode>', 'how to tell').choices(['plain', 'json']).default('plain'))
  addEventOptions(command).addHelpText(
    'after',
    `
Examples:
  slipway plan                   for a push to the current branch
  slipway plan --tag v1.2.0      for a tag
  slipway plan --pr 12 -o json   for a pull request, for programs`,
  )
  command.action(async (options: PlanOptions) => {
    const { showPlan } = await import('../plan/show-plan.ts')
    await showPlan(options, io)
    setStatus(exitStatus.success)
  })
}
