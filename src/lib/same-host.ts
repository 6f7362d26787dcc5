// Credentials are for the host they were given for.

/** Scheme, host and port are the same; of the short form of ssh, user and host. */
export function isSameHost(url: string, other: string): boolean {
  const hostOf = (text: string) =>
    URL.canParse(text) && text.includes('://')
      ? `${new URL(text).protocol}//${new URL(text).host}`
      : /^([^/:\s]+):/.exec(text)?.[1]
  const host = hostOf(url)
  return host !== undefined && host === hostOf(other)
}
