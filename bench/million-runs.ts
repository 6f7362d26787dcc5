// A runservice with a million finished runs of ten tasks each: how large what stays of them is, how soon a new instance is
// ready, and what lists and single runs cost it. SLIPWAY_BENCH_RUNS sets the number of runs; SLIPWAY_BENCH_RUNS_FOLDER keeps
// the object storage for the next time.
//
// The runs are written as the snapshot that an import would leave, by the code that writes snapshots. The instance is a
// process of its own (million-runs-instance.ts), so that its memory is its own.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { genesisHash } from '../src/datamanager/change-log.ts'
import { FamilyFileEncoder } from '../src/datamanager/cold/family-file.ts'
import { contentHashOf, type DataFile } from '../src/datamanager/snapshot/data-file.ts'
import { indexKey, rowsKey } from '../src/datamanager/snapshot/keys.ts'
import { countOf, encodeManifest, manifestKey } from '../src/datamanager/snapshot/manifest.ts'
import { createRoot } from '../src/datamanager/snapshot/root.ts'
import { limits } from '../src/lib/limits.ts'
import { openPosixObjectStorage } from '../src/objectstorage/posix.ts'
import { type Figure, figure } from './figure.ts'
import { finishedRuns } from './inputs/finished-runs.ts'
import type { InstanceMeasures } from './million-runs-instance.ts'

const runsDefault = 1_000_000
/** As bin/slipway starts servers. */
const serverFlags = ['--max-semi-space-size=4']
export const base = 'database/runservice'
const identity = { store: 'bench', generation: '00000000-0000-7000-8000-000000000000' }

export async function run(): Promise<Figure[]> {
  const count = Number(process.env.SLIPWAY_BENCH_RUNS ?? runsDefault)
  const kept = process.env.SLIPWAY_BENCH_RUNS_FOLDER
  const folder = kept ?? mkdtempSync(join(tmpdir(), 'slipway-bench-'))
  mkdirSync(folder, { recursive: true })
  try {
    if (!existsSync(join(folder, `written-${count}`))) {
      await writeRuns(folder, count)
      writeFileSync(join(folder, `written-${count}`), '')
    }
    const script = join(import.meta.dirname, 'million-runs-instance.ts')
    const output = execFileSync(process.execPath, [...serverFlags, script, folder, String(count)], {
      maxBuffer: 2 ** 28,
    })
    return figures(count, JSON.parse(output.toString()) as InstanceMeasures)
  } finally {
    if (kept === undefined) rmSync(folder, { recursive: true })
  }
}

async function writeRuns(folder: string, count: number): Promise<void> {
  await using ost = await openPosixObjectStorage({ root: join(folder, 'ost') })
  const files: DataFile[] = []
  let encoder = new FamilyFileEncoder()
  const write = async () => {
    const { file, rows, index } = encoder.finish(`bench-${files.length}`)
    files.push(file)
    encoder = new FamilyFileEncoder()
    await ost.put(rowsKey(base, identity.generation, file.name), rows, { persist: false })
    await ost.put(indexKey(base, identity.generation, file.name), index, { persist: false })
  }
  for (const family of finishedRuns(count)) {
    encoder.add(family)
    if (encoder.rawBytes >= limits.familyFileBytes.value) await write()
  }
  if (!encoder.isEmpty) await write()
  const contentHash = contentHashOf(files)
  const manifest = {
    ...identity,
    position: 0,
    hash: genesisHash,
    contentHash,
    count: countOf(files),
    createdAt: 0,
    files,
  }
  await ost.put(manifestKey(base, identity.generation, 0), encodeManifest(manifest))
  await createRoot({ ost, base }, { number: 1, ...identity, contentHash })
}

function figures(count: number, measures: InstanceMeasures): Figure[] {
  const of = `of ${count.toLocaleString('en')} runs`
  const value = (
    name: string,
    unit: string,
    measured: { samples: readonly number[]; floor: readonly number[] },
    most: number,
  ) => figure({ name, unit, ...measured }, { of: 'value', most })
  const { start, sizeMb, memoryMb, lists, bodies, exported, imported, exportingMb } = measures
  return [
    value(`new instance ${of}, from posix storage`, 's', start, 30),
    value(`local index ${of}`, 'MB', sizeMb, 300),
    value(`memory of an instance ${of}`, 'MB', memoryMb, 300),
    ...lists.map(({ name, ...measured }) => value(`page of 25 ${of}: ${name}, p99`, 'ms', measured, 5)),
    value(`one run ${of} by range, p99`, 'ms', bodies, 20),
    figure({ name: `export ${of}, by parts`, unit: 'MB/s', ...exported }, { of: 'value', least: 50 }),
    figure(
      { name: `memory while ${count.toLocaleString('en')} runs are exported, last third`, unit: 'MB', ...exportingMb },
      { of: 'ratio', most: 1.1 },
    ),
    figure({ name: `import until it is open ${of}, by parts`, unit: 'MB/s', ...imported }, { of: 'value', least: 25 }),
  ]
}
