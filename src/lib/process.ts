// Runs a child process to its end: arguments as a list, never through a shell.

import { spawn } from 'node:child_process'

export type ProcessOptions = {
  readonly cwd?: string
  /** Complete environment of the child; by default ours. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  readonly input?: string | Uint8Array
  readonly signal?: AbortSignal
  /** Output beyond it ends the process and rejects; default 64 MiB. */
  readonly outputBytesMax?: number
}

export type ProcessResult = { readonly code: number; readonly stdout: Buffer; readonly stderr: string }

const outputBytesMax = 64 * 1024 * 1024
const errorBytesKept = 64 * 1024

/** Resolves with the exit code (128 + n for a signal); rejects when the program cannot be started or is aborted. */
export function runProcess(
  program: string,
  args: readonly string[],
  options: ProcessOptions = {},
): Promise<ProcessResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.environment === undefined ? {} : { env: options.environment }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const stdout: Buffer[] = []
    let size = 0
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length
      stdout.push(chunk)
      if (size > (options.outputBytesMax ?? outputBytesMax)) {
        child.kill('SIGKILL')
        reject(new Error(`${program} printed more than ${options.outputBytesMax ?? outputBytesMax} bytes`))
      }
    })
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString('utf8')).slice(-errorBytesKept)
    })
    // A child that does not read its input ends it with EPIPE: its exit status tells the story.
    child.stdin.on('error', () => {})
    child.on('error', reject)
    child.on('close', (code, signal) =>
      resolve({ code: code ?? (signal === null ? 1 : 128), stdout: Buffer.concat(stdout), stderr }),
    )
    child.stdin.end(options.input)
  })
}
