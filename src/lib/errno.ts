// Errors of system calls, told apart by their codes: a folder that is missing is something else than one that cannot be read.

export type Errno = Error & { readonly code: string; readonly syscall?: string }

/** Whether it is an error of a system call with one of `codes`: `ENOENT`. */
export function isErrno(error: unknown, ...codes: readonly string[]): error is Errno {
  return error instanceof Error && 'code' in error && codes.includes(error.code as string)
}

/** For `catch`: undefined instead of those errors; all others go on. */
export function ignoring(...codes: readonly string[]): (error: unknown) => undefined {
  return (error) => {
    if (isErrno(error, ...codes)) return undefined
    throw error
  }
}
