// The cookies of this server. With https their names have the prefix `__Host-`, which binds them to this origin (RFC 6265bis, section
// 4.1.3.2); over plain http browsers refuse such a cookie, so they are called differently there.

type Options = { readonly isSecure: boolean; readonly maxAgeMs: number }

/** Who a browser is, from its login on. */
export function sessionCookie(secret: string, options: Options): string {
  return cookie('session', secret, options)
}

/** Makes the browser forget it. */
export function noSessionCookie(options: { readonly isSecure: boolean }): string {
  return cookie('session', '', { ...options, maxAgeMs: 0 })
}

/** What the header `Cookie` has of a session. */
export function sessionSecretOf(header: string | undefined, isSecure: boolean): string | undefined {
  return secretOf('session', header, isSecure)
}

/** Names a browser that is away at a provider, so that what comes back is its own. */
export function browserCookie(secret: string, options: Options): string {
  return cookie('oauth2', secret, options)
}

export function browserSecretOf(header: string | undefined, isSecure: boolean): string | undefined {
  return secretOf('oauth2', header, isSecure)
}

/** `Slipway-Position` for a browser that is redirected: the page that it comes to knows none. */
export function positionCookie(position: string, options: { readonly isSecure: boolean }): string {
  return cookie('position', position, { ...options, maxAgeMs: positionMs })
}

export function positionOf(header: string | undefined, isSecure: boolean): string | undefined {
  return textOf('position', header, isSecure)
}

/** Every instance has seen it by then. */
const positionMs = 30_000

type Name = 'session' | 'oauth2' | 'position'

const fullName = (name: Name, isSecure: boolean) => `${isSecure ? '__Host-' : ''}slipway-${name}`

function secretOf(name: Name, header: string | undefined, isSecure: boolean): string | undefined {
  const value = textOf(name, header, isSecure)
  return value !== undefined && /^[A-Za-z0-9_-]{20,200}$/.test(value) ? value : undefined
}

function textOf(name: Name, header: string | undefined, isSecure: boolean): string | undefined {
  const wanted = fullName(name, isSecure)
  for (const pair of (header ?? '').split(';')) {
    const [key, value] = pair.split('=', 2)
    if (key?.trim() === wanted && value !== undefined && /^[\w.-]{1,200}$/.test(value.trim())) return value.trim()
  }
  return undefined
}

/** Lax, so that it comes with a browser that a provider sends back. */
function cookie(name: Name, value: string, { isSecure, maxAgeMs }: Options): string {
  return [
    `${fullName(name, isSecure)}=${value}`,
    'Path=/',
    'HttpOnly',
    'SameSite=Lax',
    `Max-Age=${Math.floor(maxAgeMs / 1000)}`,
    ...(isSecure ? ['Secure'] : []),
  ].join('; ')
}
