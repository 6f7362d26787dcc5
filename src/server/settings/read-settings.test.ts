import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { environmentName, readSettings, settingPaths } from './read-settings.ts'

const folder = mkdtempSync(join(tmpdir(), 'slipway-settings-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const environment = { HOME: '/home/ann' }

function fileWith(text: string): string {
  const path = join(folder, `${Math.random().toString(36).slice(2)}.yml`)
  writeFileSync(path, text)
  return path
}

test('without anything there is one process with all components in the data directory of the user', () => {
  const settings = readSettings({ environment })
  expect(settings).toMatchObject({
    listen: { host: '127.0.0.1', port: 8080 },
    url: undefined,
    dataDir: '/home/ann/.local/share/slipway',
    database: { log: 'embedded' },
    objectStorage: { type: 'posix', path: '/home/ann/.local/share/slipway/objects' },
    gateway: { memberAdding: 'direct', sessionMs: 1_209_600_000 },
    retention: { logsMs: 2_592_000_000, workspacesMs: 604_800_000, cachesMs: 604_800_000, directRunsMs: 2_592_000_000 },
    log: { level: 'info', format: undefined },
  })
  expect([...settings.components]).toEqual([
    'gateway',
    'configstore',
    'runservice',
    'notification',
    'gitserver',
    'executor',
  ])
  expect(Object.isFrozen(settings)).toBe(true)
})

test('the environment is over the file, and options are over both', () => {
  const file = fileWith('listen: 127.0.0.1:1\nurl: https://file.example.org/\nlog: {level: debug, format: json}\n')
  const variables = { ...environment, SLIPWAY_LISTEN: '127.0.0.1:2', SLIPWAY_LOG_LEVEL: 'warn', SLIPWAY_URL: '' }
  const settings = readSettings({
    file,
    environment: variables,
    options: { listen: '127.0.0.1:3', dataDir: undefined },
  })
  expect(settings.listen.port).toBe(3)
  expect(settings.log).toEqual({ level: 'warn', format: 'json' })
  expect(settings.url).toBe('https://file.example.org')
})

test('every setting has a name in the environment of its own', () => {
  const names = settingPaths().map(environmentName)
  expect(new Set(names).size).toBe(names.length)
  expect(names).toContain('SLIPWAY_DATABASE_ETCD_CA_FILE')
  expect(names).toContain('SLIPWAY_OBJECT_STORAGE_BUCKET')
})

test('lists and mappings in the environment are YAML', () => {
  const variables = {
    ...environment,
    SLIPWAY_EXECUTOR_LABELS: '{gpu: "yes"}',
    SLIPWAY_GATEWAY_CORS_ORIGINS: '["https://a.example.org"]',
  }
  const settings = readSettings({ environment: variables })
  expect(settings.executor.labels).toEqual({ gpu: 'yes' })
  expect(settings.gateway.corsOrigins).toEqual(['https://a.example.org'])
})

test.each([
  ['gateway', ['gateway']],
  ['gateway, gitserver', ['gateway', 'gitserver']],
  ['[gateway, gitserver]', ['gateway', 'gitserver']],
])('a list in the environment is also words with commas: %s', (given, expected) => {
  const services = { SLIPWAY_SERVICES_CONFIGSTORE: 'http://a:1', SLIPWAY_SERVICES_RUNSERVICE: 'http://b:1,http://c:1' }
  const shared = {
    SLIPWAY_DATABASE_LOG: 'bucket',
    SLIPWAY_OBJECT_STORAGE_TYPE: 'posix',
    SLIPWAY_OBJECT_STORAGE_PATH: '/objects',
    SLIPWAY_KEYS_INSTALLATION_FILE: '/key',
    SLIPWAY_KEYS_SERVICES_FILE: '/services',
  }
  const settings = readSettings({ environment: { ...environment, ...shared, ...services, SLIPWAY_COMPONENTS: given } })
  expect([...settings.components]).toEqual(expected)
  expect(settings.services.runservice).toEqual(['http://b:1', 'http://c:1'])
})

test('an S3 storage has its credentials from a file', () => {
  const credentialsFile = fileWith('{"accessKeyId": "id", "secretAccessKey": "very secret"}')
  const file = fileWith(`objectStorage: {type: s3, region: r, bucket: bbb, credentialsFile: ${credentialsFile}}`)
  expect(readSettings({ file, environment }).objectStorage).toEqual({
    type: 's3',
    region: 'r',
    bucket: 'bbb',
    credentials: { accessKeyId: 'id', secretAccessKey: 'very secret' },
  })
})

test.each([
  ['listen: 127.0.0.1', 'listen: "127.0.0.1" is not HOST:PORT'],
  ['listen: 127.0.0.1:70000', 'is not HOST:PORT'],
  ['Listen: 127.0.0.1:1', 'Listen: is no setting: did you mean listen?'],
  ['data_dir: /x', 'data_dir: is no setting: did you mean dataDir?'],
  ['log: {level: loud}', 'log.level: expected debug, info, warn, error'],
  ['log: {levle: info}', 'log.levle: is no setting'],
  ['components: []', 'components: must not have fewer than 1 items'],
  ['components: [frontend]', 'components.0: expected all, gateway'],
  ['executor: {tasks: 0}', 'executor.tasks: must be >= 1'],
  ['executor: {tasks: many}', 'executor.tasks: must be integer'],
  ['objectStorage: {type: ftp}', 'objectStorage.type: expected posix or s3'],
  ['objectStorage: {type: s3, bucket: b}', 'objectStorage.region: is missing'],
  ['objectStorage: {type: s3, bucket: b, region: r, acess: x}', 'objectStorage.acess: is no setting'],
  ['url: ftp://x', 'is not a URL like https://ci.example.org'],
  ['url: https://user:pw@x', 'is not a URL like'],
  ['database: {log: etcd}\nkeys: {installationFile: k}\nobjectStorage: {type: posix}', 'database.etcd'],
  ['database: {log: bucket}', 'objectStorage: is needed with database.log bucket'],
  ['database: {log: bucket}\nobjectStorage: {type: posix}', 'keys.installationFile: is needed'],
  ['components: [gateway]', 'the embedded log is for one process with all services'],
  ['components: [gateway]', 'services.runservice: the gateway needs it'],
  ['services: {configstore: ["http://x"]}', 'this process runs the configstore itself'],
  ['- a\n- b', 'the file is not a mapping of settings'],
  ['a: {', 'at line 1'],
  ['listen: a:1\nlisten: b:1', 'Map keys must be unique'],
])('%j is refused: %s', (text, message) => {
  expect(() => readSettings({ file: fileWith(text), environment })).toThrow(message)
})

test('all errors are told at once, with the file', () => {
  const file = fileWith('listne: x\nexecutor: {tasks: 0}\nlog: {level: loud}\n')
  const lines = (() => {
    try {
      readSettings({ file, environment: { ...environment, SLIPWAY_TRUST_PROXY: '{' } })
    } catch (error) {
      return (error as Error).message.split('\n')
    }
    return []
  })()
  expect(lines[0]).toBe(`the settings (${file}) have errors:`)
  expect(lines.length).toBe(5)
})

test('a file that is not there is told by its name', () => {
  expect(() => readSettings({ file: join(folder, 'none.yml'), environment })).toThrow(/read the settings: .*none\.yml/)
})

test('a file of credentials that is no JSON is not quoted', () => {
  const credentialsFile = fileWith('verysecretkey')
  const file = fileWith(`objectStorage: {type: s3, region: r, bucket: bbb, credentialsFile: ${credentialsFile}}`)
  expect(() => readSettings({ file, environment })).toThrow(/is not JSON/)
  expect(() => readSettings({ file, environment })).not.toThrow(/verysecret/)
})

test('mail needs a server and a sender, and its password is in a file', () => {
  const passwordFile = fileWith('verysecret\n')
  const read = (smtp: string) =>
    readSettings({ file: fileWith(`notification: {smtp: {${smtp}}}`), environment }).notification.smtp
  expect(read(`host: mail, from: Slipway <ci@example.org>, user: ci, passwordFile: ${passwordFile}`)).toEqual({
    host: 'mail',
    port: 587,
    security: 'starttls',
    from: 'Slipway <ci@example.org>',
    user: 'ci',
    password: 'verysecret',
    recipientDomains: [],
  })
  expect(read('host: mail, from: ci@example.org, security: tls, recipientDomains: [Example.ORG]')).toMatchObject({
    port: 465,
    recipientDomains: ['example.org'],
  })
  expect(() => read('from: ci@example.org')).toThrow(/notification\.smtp\.host/)
  expect(() => read('host: mail')).toThrow(/notification\.smtp\.from/)
  expect(() => read('host: mail, from: nobody')).toThrow(/is not an address/)
  expect(() => read('host: mail, from: ci@example.org, user: ci')).toThrow(/notification\.smtp\.passwordFile/)
})

test('the settings that docs/notifications.md shows are settings', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/notifications.md'), 'utf8')
  const [, shown = ''] = /```yaml notification-settings\n(.*?)\n```/s.exec(page) ?? []
  const file = fileWith(shown.replace('/etc/slipway/smtp-password', fileWith('verysecret')))
  expect(readSettings({ file, environment }).notification.smtp).toMatchObject({
    host: 'mail.example.org',
    recipientDomains: ['example.org'],
  })
})
