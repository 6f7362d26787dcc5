// Loaded with `node --import` before anything else: what tells a program that this is Linux says that it is macOS.

import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

Object.defineProperty(process, 'platform', { value: 'darwin' })

const isLinuxOnly = (path) => typeof path === 'string' && /^\/(proc|sys)(\/|$)/.test(path)
const missing = (path) => Object.assign(new Error(`ENOENT: no such file or directory, '${path}'`), { code: 'ENOENT' })
for (const name of ['readFileSync', 'readlinkSync', 'readdirSync', 'writeFileSync', 'openSync']) {
  const original = fs[name]
  fs[name] = (path, ...rest) => {
    if (isLinuxOnly(path)) throw missing(path)
    return original(path, ...rest)
  }
}
for (const name of ['readFile', 'open', 'readdir']) {
  const original = fs.promises[name]
  fs.promises[name] = async (path, ...rest) => {
    if (isLinuxOnly(path)) throw missing(path)
    return await original(path, ...rest)
  }
}
syncBuiltinESMExports()
