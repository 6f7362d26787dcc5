// A file of 5 GB and one of 0 bytes through a workspace, on the host driver, with time and memory. Takes minutes and room on the
// disk for the file, its archive and its copy, so it is run by hand:
//
//   node test/long/large-file.ts [--gigabytes 5]
//
// The file is sparse where it is made; archive, storage and restore see all of its bytes. Between its holes are blocks of
// noise, so that it cannot be mistaken for another one of the same size.

import { readdirSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { commandRepository } from '../cli/command.ts'

const { values: options } = parseArgs({ options: { gigabytes: { type: 'string', default: '5' } } })
const mebibytes = Math.ceil(Number(options.gigabytes) * 1024)
const noiseEach = 256

const make = [
  'mkdir files && cd files && : > empty',
  `truncate -s ${mebibytes}M large`,
  `for at in $(seq 0 ${noiseEach} ${mebibytes - 1}) ${mebibytes - 1}; do`,
  '  dd if=/dev/urandom of=large bs=1M count=1 seek=$at conv=notrunc 2>/dev/null',
  'done',
  'echo "made $(stat -c %s large) $(stat -c %s empty) $(sha256sum < large)"',
].join('\n')
const check = 'cd files; echo "restored $(stat -c %s large) $(stat -c %s empty) $(sha256sum < large)"'

/** Most memory seen, in KiB, by the name of the program. */
const peaks = new Map<string, number>()

/** Of all processes that `pid` has started. */
function watchMemory(pid: number): Disposable {
  const look = () => {
    const processes = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [statusOf(name)] : []))
    const own = new Set([String(pid)])
    // Parents have been listed before their children in nearly all cases; twice finds the rest.
    for (const _ of [1, 2]) for (const status of processes) if (own.has(status.PPid ?? '')) own.add(status.Pid ?? '')
    for (const { Pid = '', Name = '', VmHWM = '0' } of processes)
      if (own.has(Pid) && Pid !== String(pid) && /slipway|node|MainThread/.test(Name))
        peaks.set(Name, Math.max(peaks.get(Name) ?? 0, Number.parseInt(VmHWM, 10)))
  }
  const timer = setInterval(look, 250)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

function statusOf(pid: string): Partial<Record<string, string>> {
  try {
    const lines = readFileSync(`/proc/${pid}/status`, 'utf8').split('\n')
    return Object.fromEntries(lines.map((line) => line.split(':\t').map((part) => part.trim())))
  } catch {
    return {} // It has ended meanwhile.
  }
}

using repository = commandRepository({
  save: { steps: [{ run: make }, { save_to_workspace: { contents: [{ paths: ['files/**'] }] } }] },
  check: { steps: [{ restore_workspace: { dest_dir: '.' } }, { run: check }], depends: ['save'] },
})
using _memory = watchMemory(process.pid)
const startedAt = performance.now()
const { status, stdout, stderr } = await repository.run('--output', 'json')
const seconds = (performance.now() - startedAt) / 1000
const [made, restored] = ['made', 'restored'].map(
  (word) => new RegExp(`${word} (\\d+ \\d+ [0-9a-f]{64})`).exec(stdout)?.[1],
)
const isRight = status === 0 && made !== undefined && made === restored && made.startsWith(`${mebibytes * 2 ** 20} 0 `)
if (!isRight) console.log(stdout + stderr)
for (const line of stdout.split('\n').filter((text) => text.includes('"type":"step"'))) {
  const { task, step, phase, status: ended, startedAt: from, endedAt: to } = JSON.parse(line)
  if (to !== undefined) console.log(`${task} ${step}: ${phase ?? ended}, ${((to - from) / 1000).toFixed(1)} s`)
}
for (const [name, kibibytes] of peaks) console.log(`${name}: at most ${(kibibytes / 1024).toFixed(0)} MiB`)
console.log(`${isRight ? 'ok' : 'FAILED'}: ${mebibytes} MiB and 0 bytes saved and restored in ${seconds.toFixed(0)} s`)
process.exitCode = isRight ? 0 : 1
