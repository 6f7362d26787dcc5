// What may follow in a command line, read from the commands themselves.

import type { Command, Option } from 'commander'

export type Candidate = { readonly text: string; readonly description: string }

/** `words`: after the name of the program, the last being what is typed now, maybe empty. */
export function complete(program: Command, words: readonly string[]): readonly Candidate[] {
  const typed = words.at(-1) ?? ''
  const before = words.slice(0, -1)
  let command = program
  for (const word of before) command = command.commands.find((candidate) => candidate.name() === word) ?? command
  const awaited = findOption(command, before.at(-1) ?? '')
  if (awaited !== undefined) return matching(awaited.argChoices ?? [], typed)
  if (typed.startsWith('-')) {
    const options = [
      ...command.options.filter(({ hidden }) => !hidden),
      ...program.options.filter(() => command === program),
    ]
    return unique(
      options.map((option) => ({ text: option.long ?? option.short ?? '', description: option.description })),
    ).filter(({ text }) => text.startsWith(typed))
  }
  return command.commands
    .filter((candidate) => candidate.name().startsWith(typed) && !candidate.name().startsWith('__'))
    .map((candidate) => ({ text: candidate.name(), description: candidate.summary() }))
}

/** The option that takes a value and is still without it. */
function findOption(command: Command, word: string): Option | undefined {
  return command.options.find(
    (option) => (option.long === word || option.short === word) && (option.required || option.optional),
  )
}

function matching(values: readonly string[], typed: string): Candidate[] {
  return values.filter((value) => value.startsWith(typed)).map((text) => ({ text, description: '' }))
}

function unique(candidates: readonly Candidate[]): Candidate[] {
  return candidates.filter(({ text }, index) => candidates.findIndex((other) => other.text === text) === index)
}
