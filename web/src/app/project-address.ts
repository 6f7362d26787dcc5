// Paths of projects and groups as one segment of an address: `org/acme/web` is `org.acme.web`, since no name has a dot.

export function addressOfPath(path: string): string {
  return path.replaceAll('/', '.')
}

/** An id has no dot and stays what it is. */
export function pathOfAddress(address: string): string {
  return address.replaceAll('.', '/')
}

export type Crumb = { readonly name: string; readonly path: string }

/** The groups above `path`, from the owner's root down, without itself. */
export function crumbsOf(path: string): readonly Crumb[] {
  const names = path.split('/')
  return names.slice(1, -1).map((name, index) => ({ name, path: names.slice(0, index + 2).join('/') }))
}
