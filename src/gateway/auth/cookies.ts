// The cookie of a session. With https its name has the prefix `__Host-`, which binds it to this origin (RFC 6265bis, section 4.1.3.2);
// over plain http browsers refuse such a cookie, so it is called differently there.

const secureName = '__Host-slipway-session'
const plainName = 'slipway-session'

export function sessionCookie(
  secret: string,
  options: { readonly isSecure: boolean; readonly maxAgeMs: number },
): string {
  return cookie(secret, options)
}

/** Makes the browser forget it. */
export function noSessionCookie(options: { readonly isSecure: boolean }): string {
  return cookie('', { ...options, maxAgeMs: 0 })
}

/** What the header `Cookie` has of a session. */
export function sessionSecretOf(header: string | undefined, isSecure: boolean): string | undefined {
  const name = isSecure ? secureName : plainName
  for (const pair of (header ?? '').split(';')) {
    const [key, value] = pair.split('=', 2)
    if (key?.trim() === name && value !== undefined && /^[A-Za-z0-9_-]{20,200}$/.test(value.trim())) return value.trim()
  }
  return undefined
}

function cookie(
  value: string,
  { isSecure, maxAgeMs }: { readonly isSecure: boolean; readonly maxAgeMs: number },
): string {
  return [
    `${isSecure ? secureName : plainName}=${value}`,
    'Path=/',
    'HttpOnly',
    'SameSite=Lax',
    `Max-Age=${Math.floor(maxAgeMs / 1000)}`,
    ...(isSecure ? ['Secure'] : []),
  ].join('; ')
}
