// What `slipway export` and `slipway import` do and say.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { SlipwayError } from '../../lib/errors.ts'
import {
  type AgolaImportReport,
  openStoppedInstallation,
  type StoppedInstallation,
} from '../../server/stopped-installation.ts'
import { askHidden } from '../ask-hidden.ts'
import type { ExportOptions, ImportOptions } from '../commands/export.ts'
import { exitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'

type Directory = { readonly directory: string }

export async function exportRows(options: ExportOptions & Directory, io: Io): Promise<number> {
  const { directory, config: settingsFile, database, resume: id, key: keyFile } = options
  const offset = parseOffset(options.offset ?? '0')
  if (id !== undefined && database === undefined)
    throw new SlipwayError('usage', '--resume needs --database: each has an id of its own')
  if (id === undefined && offset !== 0) throw new SlipwayError('usage', '--offset needs --resume')
  const passphrase = await readPassphrase(options.withSecrets, io)
  await using installation = await openStoppedInstallation({ directory, settingsFile }, { mustExist: true })
  const ending = new AbortController()
  using _interrupt = io.onInterrupt(() => ending.abort(new SlipwayError('cancelled', 'the export was interrupted')))
  const secret = { passphrase, keyFile }
  if (database === undefined) {
    await write(installation.exportAll(secret, ending.signal), io, ending.signal)
    return exitStatus.success
  }
  const resume = id === undefined ? undefined : { id, offset }
  await using opened = await installation.openExport(database, { ...secret, resume }, ending.signal)
  io.stderr.write(`export ${opened.id}\n`)
  await write(opened.stream, io, ending.signal)
  return exitStatus.success
}

export async function importRows(options: ImportOptions & Directory, io: Io): Promise<number> {
  const { directory, config: settingsFile, withSecrets, key: keyFile } = options
  if (withSecrets === '-')
    throw new SlipwayError('usage', '--with-secrets needs a file here: standard input is the export')
  const passphrase = await readPassphrase(withSecrets, io)
  await using installation = await openStoppedInstallation({ directory, settingsFile }, { mustExist: false })
  const ending = new AbortController()
  using _interrupt = io.onInterrupt(() => ending.abort(new SlipwayError('cancelled', 'the import was interrupted')))
  const stream = io.stdin as AsyncIterable<Uint8Array> // without an encoding: bytes
  const { signal } = ending
  const { agola: service } = options
  if (service !== undefined) {
    if (passphrase !== undefined) throw new SlipwayError('usage', 'an export of Agola has its secrets in clear')
    const { imported, report } = await installation.importAgola(stream, { service, keyFile, signal })
    writeReport(report, io)
    writeImported(imported, io)
    return exitStatus.success
  }
  writeImported(await installation.import(stream, { passphrase, keyFile, signal }), io)
  return exitStatus.success
}

type Imported = Awaited<ReturnType<StoppedInstallation['import']>>

function writeImported(imported: Imported, io: Io): void {
  for (const { header, count, generation, contentHash } of imported)
    io.stdout.write(
      `${header.database}: imported ${count} rows as generation ${generation}; content hash ${contentHash}\n`,
    )
}

function writeReport({ format, read, written, dropped }: AgolaImportReport, io: Io): void {
  const list = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ')
  const lines = [`read, in the format ${format}: ${list(read)}`, `written: ${list(written)}`]
  for (const { what, why, count, examples } of dropped)
    lines.push(
      `dropped: ${what}, ${count} times: ${why} (${examples.join(', ')}${count > examples.length ? ', ...' : ''})`,
    )
  io.stdout.write(`${lines.join('\n')}\n`)
}

async function write(stream: AsyncIterable<Uint8Array>, io: Io, signal: AbortSignal): Promise<void> {
  for await (const chunk of stream) {
    signal.throwIfAborted()
    if (!io.stdout.write(chunk)) await once(io.stdout, 'drain', { signal })
  }
}

/** Never from the command line itself, which every process of the machine can read. */
async function readPassphrase(file: string | undefined, io: Io): Promise<string | undefined> {
  if (file === undefined) return undefined
  const text = file === '-' ? await askHidden('Passphrase: ', io) : readText(file)
  if (text.length < passphraseCharactersMin)
    throw new SlipwayError('usage', `the passphrase must have at least ${passphraseCharactersMin} characters`)
  return text
}

const passphraseCharactersMin = 8

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (cause) {
    throw new SlipwayError('usage', `read the passphrase from ${file}: ${String(cause)}`, { cause })
  }
}

function parseOffset(text: string): number {
  const offset = Number(text)
  if (Number.isSafeInteger(offset) && offset >= 0) return offset
  throw new SlipwayError('usage', `--offset ${text}: it is a number of bytes`)
}
