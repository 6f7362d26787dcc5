// The version of this build.

import { readFileSync } from 'node:fs'

type PackageJson = { readonly version: string }

/** That of package.json, which stands beside `src/` in a clone and beside `dist/` in a package. */
export const version = (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as PackageJson)
  .version
