// `npm run docs`: writes the pages of docs/ that are made from the sources. A test compares them.
//
//   node tools/docs.ts

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Route } from '../src/contract/route.ts'
import { routes } from '../src/contract/routes.ts'
import { type CallerKind, callersOf, type MatrixRow, permissionMatrix } from '../src/gateway/permissions/matrix.ts'
import type { Decision, SubjectKind } from '../src/gateway/permissions/permission.ts'
import { type ErrorKind, errorCodes } from '../src/lib/errors.ts'
import { type Limit, limits } from '../src/lib/limits.ts'
import { commandsPage } from './commands-page.ts'
import { settingsPage, settingsSchemaFile } from './settings-page.ts'

/** Pages by name, as they should be. */
export async function generatedPages(): Promise<Readonly<Record<string, string>>> {
  return {
    'limits.md': limitsPage(),
    'errors.md': errorsPage(),
    'permissions.md': permissionsPage(),
    'commands.md': await commandsPage(note),
    'settings.md': settingsPage(note),
    'settings.schema.json': settingsSchemaFile(),
  }
}

const note = 'This page is made from the sources by `npm run docs`.'

function limitsPage(): string {
  const rows = Object.entries(limits).map(([name, limit]) => `| \`${name}\` | ${describe(limit)} | ${limit.effect} |`)
  return [
    '# Limits',
    '',
    `Everything in Slipway that could grow has a bound. ${note}`,
    '',
    '| limit | value | what happens at it |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

const kinds: Readonly<Record<ErrorKind, string>> = {
  invalid: 'The request or definition is wrong; sending it again changes nothing.',
  unauthenticated: 'Nobody is logged in, or the token or session is not valid.',
  forbidden: 'The caller is known and may not do this.',
  notfound: 'What was named does not exist, or may not be known of.',
  conflict: 'The state does not allow it, or somebody was faster: look again and decide anew.',
  limit: 'A limit was reached.',
  ratelimited: 'Too many requests; try again later.',
  unavailable: 'Cannot be answered now; trying later may help.',
  cancelled: 'The caller cancelled it.',
  internal: 'Trouble of the machinery itself: a bug, a broken disk, damaged data.',
}

function errorsPage(): string {
  return [
    '# Error codes',
    '',
    `Every error has a code for programs and a message for people. The kind of a code says what can be done. ${note}`,
    '',
    '| kind | meaning |',
    '|---|---|',
    ...Object.entries(kinds).map(([kind, meaning]) => `| ${kind} | ${meaning} |`),
    '',
    '| code | kind | meaning |',
    '|---|---|---|',
    ...Object.entries(errorCodes).map(([code, { kind, meaning }]) => `| \`${code}\` | ${kind} | ${meaning} |`),
    '',
  ].join('\n')
}

/** What people read for a decision. */
const answers: Readonly<Record<Decision, string>> = {
  allowed: 'yes',
  unauthenticated: '401',
  forbidden: '403',
  hidden: '404',
  token_scope: '403',
}

const columns: Readonly<Record<CallerKind, string>> = {
  anonymous: 'nobody',
  user: 'other user',
  member: 'member',
  owner: 'owner',
  admin: 'administrator',
  admintoken: 'its token',
}

const permissionSections: readonly {
  readonly title: string
  readonly text: string
  readonly on: readonly SubjectKind[]
  readonly columns?: Partial<typeof columns>
}[] = [
  {
    title: 'The installation and the caller itself',
    text: 'The last column is the token of the administrator in the settings, which is no user.',
    on: ['installation', 'caller'],
    columns: { user: 'user' },
  },
  {
    title: 'Users',
    text: 'What a user has concerns that user and administrators.',
    on: ['user'],
    columns: { owner: 'the user' },
  },
  { title: 'Organizations', text: '', on: ['organization'] },
  {
    title: 'Project groups',
    text: 'Of an organization; in the tree of a user that user is the owner, and there are no members. To make something, the group it is put into counts; to move something, both.',
    on: ['parentgroup', 'projectgroup'],
  },
  { title: 'Projects', text: '', on: ['project'] },
  {
    title: 'Runs',
    text: 'A run is as visible as its project; a run of a user is for that user and administrators.',
    on: ['run'],
  },
]

function permissionsPage(): string {
  const matrix = permissionMatrix()
  return [
    '# Permissions',
    '',
    `Who may do what over the API. ${note} The server decides by the same table, and a test asks it for every cell.`,
    '',
    '`yes`: allowed. `401`: nobody is logged in. `403`: known, and not allowed. `404`: may not be known of, and answers as what is',
    'not there. Two answers: for something that is public for all, and for something private. Something is private when it, a',
    'group above it, or its organization is. Administrators may everything.',
    '',
    'A token does at most what its user may. Its scope must be at least the one of the operation: `read`, then `run`, then `admin`.',
    'A token for some projects knows nothing else: there it is as good as another user.',
    '',
    ...permissionSections.flatMap(({ title, text, on, columns: names }) => [
      `## ${title}`,
      '',
      ...(text === '' ? [] : [text, '']),
      ...permissionTable(
        matrix.filter(({ permission }) => on.includes(permission.on)),
        { ...columns, ...names },
      ),
      '',
    ]),
  ].join('\n')
}

function permissionTable(rows: readonly MatrixRow[], names: typeof columns): readonly string[] {
  const callers = callersOf(rows[0]!.permission.on)
  return [
    `| operation | scope | ${callers.map((caller) => names[caller]).join(' | ')} |`,
    `|---|---|${callers.map(() => '---|').join('')}`,
    ...rows.map((row) => {
      const { method, path }: Route = routes[row.operation]
      const cells = callers.map((caller) => permissionCell(row, caller))
      return `| \`${method} ${path}\` | ${row.permission.scope} | ${cells.join(' | ')} |`
    }),
  ]
}

function permissionCell({ cells, permission }: MatrixRow, caller: CallerKind): string {
  const answersFor = (membersMay: boolean) => {
    const own = cells.filter((cell) => cell.caller === caller && cell.membersMay === membersMay)
    return [...new Set(own.map(({ decision }) => answers[decision]))].join(' / ')
  }
  const usual = answersFor(false)
  if (!permission.orMembersIfAllowed) return usual
  const open = answersFor(true)
  return open === usual ? usual : `${usual}; ${open} where the project lets members`
}

const units: Readonly<Record<Limit['unit'], readonly (readonly [number, string])[]>> = {
  bytes: [
    [2 ** 30, 'GiB'],
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
    [1, 'bytes'],
  ],
  milliseconds: [
    [86_400_000, 'days'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1000, 's'],
    [1, 'ms'],
  ],
  count: [[1, '']],
  percent: [[1, '%']],
  characters: [[1, 'characters']],
}

/** `50 GiB`, `90 s`, `10,000`: in the largest unit that needs no fraction. */
function describe({ value, unit }: Limit): string {
  const [size, name] = units[unit].find(([candidate]) => value % candidate === 0)!
  const number = (value / size).toLocaleString('en-US')
  return `${number} ${size === 86_400_000 && value === size ? 'day' : name}`.trim()
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(await generatedPages()))
    writeFileSync(join(import.meta.dirname, '../docs', name), text)
}
