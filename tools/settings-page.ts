// docs/settings.md and docs/settings.schema.json, from the schema of the settings.

import { environmentName, settingPaths } from '../src/server/settings/read-settings.ts'
import { settingsSchema } from '../src/server/settings/settings-schema.ts'

type Node = {
  readonly description?: string
  readonly default?: unknown
  readonly type?: string
  readonly enum?: readonly string[]
  readonly items?: Node
  readonly properties?: Readonly<Record<string, Node>>
  readonly anyOf?: readonly Node[]
}

/** The page for people. */
export function settingsPage(note: string): string {
  const sections = Object.entries((settingsSchema as Node).properties ?? {})
  return [
    '# Settings of a server',
    '',
    'Every setting of `slipway serve`, all of them optional. They are read from the YAML file of `--config`, from the environment and',
    'from options, each over the one before. A mistake anywhere stops the start, and all mistakes are told at once. Editors',
    `check a file that begins with \`# yaml-language-server: $schema=\` and the path of [settings.schema.json](settings.schema.json). ${note}`,
    '',
    '```yaml',
    'listen: 0.0.0.0:8080',
    'url: https://ci.example.org',
    'dataDir: /var/lib/slipway',
    'executor: { driver: docker, tasks: 4 }',
    '```',
    '',
    'Values in the environment are YAML too; a list is `[a, b]` or `a,b`.',
    '',
    '| setting | environment | value | meaning |',
    '|---|---|---|---|',
    ...sections.flatMap(([name, node]) => rowsOf([name], node)),
    '',
  ].join('\n')
}

/** The schema for programs. */
export function settingsSchemaFile(): string {
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Settings of slipway serve',
    ...settingsSchema,
  }
  return `${JSON.stringify(schema, undefined, 2)}\n`
}

function rowsOf(path: readonly string[], node: Node): string[] {
  const isSetting = settingPaths().some((candidate) => candidate.join('.') === path.join('.'))
  const inner = mergedProperties(node)
  const heading =
    isSetting && inner.length === 0
      ? [rowOf(path, node)]
      : [`| **${path.join('.')}** | | | ${node.description ?? ''} |`]
  return [...heading, ...inner.flatMap(([name, child]) => rowsOf([...path, name], child))]
}

/** Of a choice of sections, the settings of all, each once. */
function mergedProperties({ properties, anyOf }: Node): (readonly [string, Node])[] {
  const merged = new Map<string, Node>()
  for (const variant of anyOf ?? [{ properties } as Node])
    for (const [name, node] of Object.entries(variant.properties ?? {}))
      merged.set(
        name,
        name === 'type'
          ? { description: 'Which kind: `posix` (a directory) or `s3` (a bucket).', type: 'string' }
          : node,
      )
  return [...merged]
}

function rowOf(path: readonly string[], node: Node): string {
  const kind =
    node.enum?.map((value) => `\`${value}\``).join(' ') ??
    (node.items ? 'list' : node.type === 'object' ? 'mapping' : (node.type ?? ''))
  const standard =
    node.default === undefined ? '' : ` Default: \`${JSON.stringify(node.default).replaceAll('"', '')}\`.`
  return `| \`${path.join('.')}\` | \`${environmentName(path)}\` | ${kind} | ${node.description ?? ''}${standard} |`
}
