// The command as files that need no other package, below `dist/`, with the licences of what went into them. Commands are pieces of
// their own, so that `slipway run` does not load the server.
//
//   node tools/bundle.ts DIRECTORY

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build, type Metafile } from 'esbuild'

const root = resolve(import.meta.dirname, '..')

/** Loaded when a setting needs them, from where npm put them. */
const external = ['@aws-sdk/*', '@grpc/*', 'pg']

/** Threads are files of their own: they are started by name. */
const workers = ['src/datamanager/snapshot/snapshot-worker.ts', 'src/datamanager/read-model/checkpoint-worker.ts']

/** Writes the bundle into `directory` and returns what went into it. */
export async function bundle(directory: string): Promise<Metafile> {
  const common = {
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    outdir: directory,
    entryNames: '[name]',
    logLevel: 'warning',
    metafile: true,
  } as const
  const { metafile } = await build({
    ...common,
    entryPoints: ['src/main.ts'],
    splitting: true,
    // All in one folder: what is found beside a file is beside each of them.
    chunkNames: '[name]-[hash]',
    external,
    // Packages of the older module system ask for the parts of Node.js in its way.
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
  })
  await build({ ...common, entryPoints: workers })
  writeFileSync(join(directory, 'THIRD-PARTY-LICENSES'), licencesOf(packagesOf(metafile)))
  return metafile
}

/** Folders of packages that went in, as `node_modules/NAME`; one within another is one of its own. */
export function packagesOf({ inputs }: Metafile): readonly string[] {
  const folders = Object.keys(inputs).flatMap(
    (input) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? [],
  )
  return [...new Set(folders)].sort()
}

function licencesOf(folders: readonly string[]): string {
  return folders
    .map((folder) => {
      const at = join(root, folder)
      const { name, version, license } = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as Record<
        string,
        string
      >
      const file = readdirSync(at).find((entry) => /^licen[cs]e/i.test(entry))
      const text = file === undefined ? `Licence: ${license}` : readFileSync(join(at, file), 'utf8').trim()
      return `${name} ${version}\n\n${text}\n`
    })
    .join('\n\n')
}

const [directory] = process.argv.slice(2)
if (process.argv[1] === import.meta.filename) {
  if (directory === undefined || !existsSync(directory)) throw new Error('usage: node tools/bundle.ts DIRECTORY')
  await bundle(resolve(directory))
}
