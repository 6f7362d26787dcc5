// What a command has to do with the outside, in one value: tests give their own.

import type { Readable, Writable } from 'node:stream'

export type Io = {
  readonly cwd: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number }
  readonly stderr: Writable
  /** Calls `listener` for each SIGINT, SIGTERM and SIGHUP, and when the reader of `stdout` has gone; disposing stops that. */
  readonly onInterrupt: (listener: (signal: string) => void) => Disposable
  /** Calls `listener` when the process ends, in whatever way it can still act; disposing stops that. */
  readonly onExit: (listener: () => void) => Disposable
  /** Around the time that the process is suspended by the person at the terminal (Ctrl-Z); disposing stops that. */
  readonly onSuspend: (listener: { readonly suspend: () => void; readonly resume: () => void }) => Disposable
  /** Ends the process at once. */
  readonly exit: (status: number) => never
}

export function processIo(): Io {
  // A reader that has gone, as with `| head`, is no reason for a stack trace; what it means, `onInterrupt` decides.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  return {
    cwd: process.cwd(),
    environment: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    onInterrupt: (listener) => {
      const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
      const onGone = () => listener('SIGPIPE')
      for (const signal of signals) process.on(signal, listener)
      process.stdout.on('error', onGone)
      return {
        [Symbol.dispose]: () => {
          for (const signal of signals) process.off(signal, listener)
          process.stdout.off('error', onGone)
        },
      }
    },
    onExit: (listener) => {
      process.on('exit', listener)
      return { [Symbol.dispose]: () => void process.off('exit', listener) }
    },
    onSuspend: ({ suspend, resume }) => {
      const onStop = () => {
        suspend()
        // What the signal would have done by itself, for this process only.
        process.kill(process.pid, 'SIGSTOP')
      }
      process.on('SIGTSTP', onStop)
      process.on('SIGCONT', resume)
      return {
        [Symbol.dispose]: () => {
          process.off('SIGTSTP', onStop)
          process.off('SIGCONT', resume)
        },
      }
    },
    exit: (status) => process.exit(status),
  }
}
