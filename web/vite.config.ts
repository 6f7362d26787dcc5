// How the web UI is built: `npm run build:web`, into web/dist. `npx vite web` serves it while one works on it, with the API of
// a server at SLIPWAY_URL.

import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'
import { routes } from '../src/contract/routes.ts'

const contractFile = resolve(import.meta.dirname, '../src/contract/routes.ts')
const errorsFile = resolve(import.meta.dirname, '../src/lib/errors.ts')

/**
 * The client needs of a route only how it is called, and of an error its code: schemas, summaries and meanings, and the library they
 * are made with, stay out of what browsers load.
 */
function slimContract(): Plugin {
  return {
    name: 'slim-contract',
    enforce: 'pre',
    load(id) {
      if (id === contractFile) {
        const slim = Object.entries(routes).map(([name, route]) => {
          const { method, path } = route
          const body = 'body' in route && route.body === 'bytes' ? { body: 'bytes' } : {}
          const stream = 'stream' in route ? { stream: { kind: route.stream.kind } } : {}
          return [name, { method, path, ...body, ...stream }]
        })
        return `export const routes = ${JSON.stringify(Object.fromEntries(slim))}`
      }
      if (id === errorsFile)
        return `export class SlipwayError extends Error {
          constructor(code, message, options) { super(message, options); this.code = code }
        }`
      return undefined
    },
  }
}

/** What the bundle took from others, with their licences, as a file beside it. */
function licences(): Plugin {
  return {
    name: 'licences',
    apply: 'build',
    generateBundle(_, bundle) {
      const folders = new Set<string>()
      for (const chunk of Object.values(bundle))
        if (chunk.type === 'chunk')
          for (const id of chunk.moduleIds) {
            const folder = /^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1]
            if (folder !== undefined) folders.add(folder)
          }
      this.emitFile({
        type: 'asset',
        fileName: 'third-party-licences.txt',
        source: [...folders].sort().map(licenceOf).join('\n\n'),
      })
    },
  }
}

function licenceOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    name: string
    version: string
    license?: string
  }
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
  const text = file === undefined ? `Licence: ${license}` : readFileSync(join(folder, file), 'utf8')
  return `${name} ${version}\n\n${text}`
}

export default defineConfig({
  plugins: [slimContract(), react(), licences()],
  build: { target: 'es2022', sourcemap: false, modulePreload: { polyfill: false }, assetsInlineLimit: 0 },
  server: { proxy: { '/api': process.env.SLIPWAY_URL ?? 'http://127.0.0.1:8080' } },
})
