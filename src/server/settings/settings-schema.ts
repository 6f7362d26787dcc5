// Every setting of `slipway serve`, with its meaning and default: the one source of the check, of docs/settings.md and of
// docs/settings.schema.json (`npm run docs`).

import Type, { type Static } from 'typebox'

const optional = Type.Optional
const text = (description: string, more: object = {}) => Type.String({ minLength: 1, description, ...more })
const flag = (description: string, value: boolean) => Type.Boolean({ description, default: value })
const days = (description: string, value: number) =>
  Type.Integer({
    minimum: 0,
    maximum: 36_500,
    description: `${description}, in days; 0 keeps them for ever.`,
    default: value,
  })
const section = <P extends Record<string, Type.TSchema>>(description: string, properties: P) =>
  Type.Object(properties, { additionalProperties: false, description })
const oneOf = <const V extends readonly string[]>(values: V, description: string, value?: V[number]) =>
  Type.Unsafe<V[number]>({
    type: 'string',
    enum: [...values],
    description,
    ...(value === undefined ? {} : { default: value }),
  })

export const componentNames = ['gateway', 'configstore', 'runservice', 'notification', 'gitserver', 'executor'] as const
export type ComponentName = (typeof componentNames)[number]

const etcd = section('With `log: etcd`. etcd 3.4 or newer.', {
  endpoints: Type.Array(text('`http://` or `https://` with host and port.'), {
    minItems: 1,
    description: 'Members of the cluster.',
  }),
  prefix: optional(text('Before all keys.', { default: 'slipway' })),
  user: optional(text('Who logs in.')),
  passwordFile: optional(text('File with the password.')),
  caFile: optional(text('PEM file with the certificate authority of the members.')),
  certificateFile: optional(text('PEM file with our certificate.')),
  keyFile: optional(text('PEM file with its key.')),
})

const postgres = section('With `log: postgres`. PostgreSQL 13 or newer.', {
  url: optional(text('`postgres://user@host:5432/name`. Use `urlFile` when there is a password in it.')),
  urlFile: optional(text('File with the URL.')),
  schema: optional(text('Begins the names of all schemas; at most 16 of `a-z 0-9 _`.', { default: 'slipway' })),
  caFile: optional(text('PEM file with the certificate authority of the server.')),
})

const objectStorage = Type.Union(
  [
    section('A directory.', {
      type: Type.Literal('posix'),
      path: optional(text('The directory, made when missing. Default: `objects` in the data directory.')),
    }),
    section('A bucket.', {
      type: Type.Literal('s3'),
      endpoint: optional(text('`http://` or `https://` with host and port. Default: that of AWS in the region.')),
      region: text('Servers other than those of AWS mostly take any.'),
      bucket: text('Must exist.'),
      prefix: optional(text('In front of all keys, ending with a slash.')),
      credentialsFile: optional(
        text('JSON file with `accessKeyId` and `secretAccessKey`. Default: the usual places of the AWS tools.'),
      ),
      pathStyle: optional(
        Type.Boolean({
          description: '`ENDPOINT/BUCKET` instead of `BUCKET.ENDPOINT`. Default: when there is an endpoint.',
        }),
      ),
      caFile: optional(text('PEM file with certificate authorities that are trusted besides the usual ones.')),
      signedUrls: optional(
        flag(
          'Executors elsewhere read and write archives in the bucket itself; false: all of it through the server.',
          true,
        ),
      ),
      publicEndpoint: optional(text('As `endpoint`, where executors reach the bucket. Default: `endpoint`.')),
    }),
  ],
  { description: 'Where snapshots, logs, workspaces and caches are.' },
)

export const settingsSchema = section('Settings of `slipway serve`.', {
  components: optional(
    Type.Array(oneOf(['all', ...componentNames], 'A component, or `all`.'), {
      minItems: 1,
      description: 'What this process runs.',
      default: ['all'],
    }),
  ),
  listen: optional(text('`HOST:PORT`; port 0 takes a free one.', { default: '127.0.0.1:8080' })),
  url: optional(
    text('Under which people and executors reach the server. Default: where it listens.', {
      examples: ['https://ci.example.org'],
    }),
  ),
  instanceUrl: optional(
    text('Under which other processes of the installation reach this one. Default: where it listens.'),
  ),
  dataDir: optional(text('Default: `slipway` in the data directory of the user (`$XDG_DATA_HOME`).')),
  trustProxy: optional(
    flag(
      'A proxy in front sets `X-Forwarded-For` and `X-Forwarded-Proto`: addresses of callers are taken from there.',
      false,
    ),
  ),
  database: optional(
    section('Where the change logs of all services are.', {
      log: optional(
        oneOf(
          ['embedded', 'etcd', 'postgres', 'bucket'],
          '`embedded`: in the data directory, for one process. `bucket`: in the object storage.',
          'embedded',
        ),
      ),
      etcd: optional(etcd),
      postgres: optional(postgres),
    }),
  ),
  objectStorage: optional(objectStorage),
  keys: optional(
    section(
      'Keys of the installation. Made in the data directory with a new embedded installation, elsewhere they must be given.',
      {
        installationFile: optional(text('The key that secrets are sealed under: 32 bytes in base64, mode 0600.')),
        retiredFiles: optional(
          Type.Array(text('A file.'), { description: 'Keys of before: what is sealed under them is still opened.' }),
        ),
        servicesFile: optional(
          text('What services of the installation show each other: at least 32 characters, mode 0600.'),
        ),
        adminTokenFile: optional(text('A token with which the API may be used as administrator; none by default.')),
      },
    ),
  ),
  services: optional(
    section('Where the services are that this process does not run.', {
      configstore: optional(Type.Array(text('URL of an instance.'), { description: 'Instances of the configstore.' })),
      runservice: optional(Type.Array(text('URL of an instance.'), { description: 'Instances of the runservice.' })),
      notification: optional(
        Type.Array(text('URL of an instance.'), { description: 'Instances of the notification service.' }),
      ),
      gitserver: optional(Type.Array(text('URL of an instance.'), { description: 'Instances of the git server.' })),
    }),
  ),
  gateway: optional(
    section('The public front.', {
      memberAdding: optional(oneOf(['direct', 'invitation'], 'How owners add members to an organization.', 'direct')),
      sessionHours: optional(
        Type.Integer({
          minimum: 1,
          maximum: 8760,
          description: 'So long after its login a session of a browser ends.',
          default: 336,
        }),
      ),
      corsOrigins: optional(
        Type.Array(text('`https://host`'), { description: 'Other sites whose pages may use the API.' }),
      ),
    }),
  ),
  notification: optional(
    section('Commit statuses, run webhooks and messages (docs/notifications.md).', {
      statusPrefix: optional(
        text('Begins the names of commit statuses; another one for each installation that reports to one repository.', {
          maxLength: 50,
          pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$',
          default: 'slipway',
        }),
      ),
      allowPrivateAddresses: optional(
        flag('Webhooks and messages of projects may go to private, loopback and link-local addresses.', false),
      ),
      smtp: optional(
        section('The server that takes mail; without one none is sent.', {
          host: optional(text('Its name or address.')),
          port: optional(
            Type.Integer({
              minimum: 1,
              maximum: 65_535,
              description: 'Default: 587, with `security: tls` 465, with `none` 25.',
            }),
          ),
          security: optional(
            oneOf(
              ['starttls', 'tls', 'none'],
              '`starttls` sends nothing to a server that has no STARTTLS.',
              'starttls',
            ),
          ),
          user: optional(text('Who logs in; nobody by default.')),
          passwordFile: optional(text('File with the password.')),
          from: optional(text('The sender.', { examples: ['Slipway <ci@example.org>'] })),
          caFile: optional(text('PEM file with the certificate authority of the server.')),
          recipientDomains: optional(
            Type.Array(text('`example.org`'), {
              description: 'Mail goes to addresses of these domains only. Default: to any.',
            }),
          ),
        }),
      ),
    }),
  ),
  executor: optional(
    section('The executor in this process.', {
      driver: optional(oneOf(['auto', 'docker', 'host'], 'How pods are made.', 'auto')),
      tasks: optional(
        Type.Integer({ minimum: 1, maximum: 10_000, description: 'Tasks at once. Default: the number of processors.' }),
      ),
      labels: optional(Type.Record(Type.String(), Type.String(), { description: 'What tasks may ask for.' })),
      allowPrivileged: optional(flag('Tasks may ask for privileged containers.', false)),
      allowUnsandboxed: optional(flag('Tasks may run as ordinary processes when there is no bubblewrap.', false)),
    }),
  ),
  retention: optional(
    section('How long things are kept.', {
      logs: optional(days('Logs, after the end of their run', 30)),
      workspaces: optional(days('Workspace archives, after their last use', 7)),
      caches: optional(days('Caches, after their last use', 7)),
      directRuns: optional(days('Commits of direct runs, after they were pushed', 30)),
    }),
  ),
  log: optional(
    section('What the server writes about itself, to standard error.', {
      level: optional(oneOf(['debug', 'info', 'warn', 'error'], 'Least important that is written.', 'info')),
      format: optional(oneOf(['text', 'json'], 'Default: `text` on a terminal, `json` elsewhere.')),
    }),
  ),
  tracing: optional(
    section('Traces of runs.', {
      endpoint: optional(text('OTLP over HTTP, for example `http://collector:4318`.')),
    }),
  ),
})

/** A settings file as it is written. */
export type SettingsFile = Static<typeof settingsSchema>
