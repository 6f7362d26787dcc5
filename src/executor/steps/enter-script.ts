// What a person finds who enters a kept pod: a shell in the directory and with the environment of the step that failed. A
// script in the pod makes it so. Variables that hold a secret are not written down there; the shell names them.

import { limits } from '../../lib/limits.ts'
import { quoteWord } from '../../lib/quote-word.ts'
import type { Order } from '../../runservice/executor-api.ts'
import type { Pod } from '../driver.ts'
import { joinWorkingDir } from './run-step.ts'

/** What of an order says where a step is executed. */
export type EnteredOrder = Pick<Order, 'containers' | 'environment' | 'workingDir' | 'shell' | 'steps' | 'secrets'>

const scriptName = '.slipway-enter'
const pathBytesMax = 4096

/** How a person enters the pod at a step. When the pod cannot prepare it, as without a shell, as the pod is entered anyway. */
export async function enterCommandAt(
  pod: Pod,
  order: EnteredOrder,
  index: number,
  signal: AbortSignal,
): Promise<string> {
  const path = await writeScript(pod, order, index, signal).catch(() => undefined)
  return path === undefined ? pod.enterCommand : `${pod.enterCommand} ${quoteWord(path)}`
}

async function writeScript(
  pod: Pod,
  order: EnteredOrder,
  index: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const step = order.steps[index]
  const ofStep = step?.type === 'run' ? step : undefined
  const environment = { ...order.environment, ...ofStep?.environment }
  const secret = secretNames({ ...order.containers[0]?.environment, ...environment }, order.secrets)
  await using process = await pod.start(
    {
      id: `enter-${index}`,
      argv: ['/bin/sh'],
      script: scriptWriter(secret, ofStep?.shell || order.shell),
      environment: Object.fromEntries(Object.entries(environment).filter(([name]) => !secret.includes(name))),
      workingDir: joinWorkingDir(order.workingDir, ofStep?.workingDir ?? ''),
      createDirs: order.workingDir === '' ? [] : [order.workingDir],
      tty: false,
    },
    signal,
  )
  let output = ''
  for await (const chunk of process.output()) {
    if (output.length < pathBytesMax) output += Buffer.from(chunk).toString('utf8')
  }
  const exit = await process.exit
  return exit.kind === 'exited' && exit.code === 0 && /^\/[^\n]*$/.test(output) ? output : undefined
}

/** Writes the script where the step's user may, and prints its path. Runs in the directory and environment of the step. */
function scriptWriter(secret: readonly string[], shell: string): string {
  const names = secret.filter((name) => /^\w+$/.test(name))
  const notice = `Not set here, because they are secret: ${names.join(', ')}`
  return [
    ...names.map((name) => `unset ${name}`),
    'umask 077',
    'for dir in "$HOME" /tmp; do',
    `  file=\${dir%/}/${scriptName}`,
    '  [ -d "$dir" ] && rm -f "$file" 2>/dev/null && : >"$file" || continue',
    // `cd` by what `export -p` says of PWD: it quotes whatever the path holds.
    '  { export PWD; export -p; echo \'cd "$PWD" || exit\'',
    ...(names.length === 0 ? [] : [`    echo ${quoteWord(`echo ${quoteWord(notice)}`)}`]),
    `    echo ${quoteWord(`exec ${quoteWord(interactiveShell(shell))} -i`)}`,
    '  } >"$file" && printf %s "$file" && exit',
    'done',
    'exit 1',
    '',
  ].join('\n')
}

/** The step's own shell, when that is one which people use. */
function interactiveShell(shell: string): string {
  const [program = ''] = shell.split(' ')
  return /(^|\/)(sh|ash|bash|dash|ksh|zsh)$/.test(program) ? program : '/bin/sh'
}

function secretNames(
  environment: Readonly<Record<string, string>>,
  secrets: EnteredOrder['secrets'],
): readonly string[] {
  const isSecret = (text: string) =>
    secrets.some(({ value }) =>
      Buffer.byteLength(value) < limits.secretBytesMin.value ? text === value : text.includes(value),
    )
  return Object.entries(environment).flatMap(([name, value]) => (isSecret(value) ? [name] : []))
}
