// Credentials are for the host they were given for.

/** Scheme, host and port are the same; of the short form of ssh, user and host. */
export function isSameHost(url: string, other: string): boolean {
  const host = hostOf(url)
  return host !== undefined && host === hostOf(other)
}

/** `https://git.example.com:8443`, `git@example.com`; undefined for a path. */
export function hostOf(url: string): string | undefined {
  return URL.canParse(url) && url.includes('://')
    ? `${new URL(url).protocol}//${new URL(url).host}`
    : /^([^/:\s]+):/.exec(url)?.[1]
}
