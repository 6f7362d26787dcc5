// The files of a definition, as providers give them that list a folder and tell each file by itself.

import { isSlipwayError, SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import type { SourceFile } from './git-source.ts'
import { textOf } from './provider-fields.ts'
import type { ProviderHttp, ProviderRequest } from './provider-http.ts'

/** Those of the names among the entries of a folder, each read by `read`. `isFile`: no folder, no link, no submodule. */
export async function readNamedFiles(
  { folder, names }: { readonly folder: string; readonly names: readonly string[] },
  entries: readonly unknown[],
  isFile: (entry: unknown) => boolean,
  read: (entry: unknown, path: string) => Promise<string>,
): Promise<readonly SourceFile[]> {
  const files: SourceFile[] = []
  for (const entry of entries) {
    const name = textOf(entry, 'name')
    if (!isFile(entry) || !names.includes(name)) continue
    const path = `${folder}/${name}`
    files.push({ path, text: await read(entry, path) })
  }
  return files
}

/** `file`: for people. Errors: those of the provider, `limit_exceeded` with more than `limits.definitionBytes`. */
export async function readFileText(
  http: ProviderHttp,
  { file, ...request }: Pick<ProviderRequest, 'path' | 'query'> & { readonly file: string },
  signal: AbortSignal,
): Promise<string> {
  const bytesMax = limits.definitionBytes.value
  try {
    const answer = await http.request({ method: 'GET', accept: '*/*', bytesMax, ...request }, signal)
    return answer.body.toString('utf8')
  } catch (error) {
    if (!isSlipwayError(error, 'limit_exceeded')) throw error
    throw new SlipwayError('limit_exceeded', `${file} has more than ${bytesMax} bytes (definitionBytes)`)
  }
}
