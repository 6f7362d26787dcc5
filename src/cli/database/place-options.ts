// Options of the commands that work on an installation by its directory.

import type { Command } from 'commander'

export type PlaceOptions = { readonly config?: string }
export type Place = PlaceOptions & { readonly directory: string }

export function addPlaceOptions(command: Command): Command {
  return command.option('--config <file>', 'the settings of the server (default: everything is in the directory)')
}
