// Mail, sent to a real server of SMTP.

import { expect, test } from 'vitest'
import { until } from '../../lib/until-fixture.ts'
import { openNotificationWorld } from '../notification-fixture.ts'
import type { Message } from '../run-message.ts'
import { mailContent, type SmtpSettings, sendEmail } from './email.ts'
import { SmtpSink } from './smtp-sink-fixture.ts'

const never = new AbortController().signal
const message: Message = {
  version: 1,
  id: 'run.4',
  event: 'test',
  time: '2026-01-01T00:00:00.000Z',
  change: null,
  project: { id: 'p1', path: 'org/acme/web', name: 'web', url: 'https://ci.example.org/projects/p1' },
  run: null,
}
const email = { recipients: ['ann@example.org', 'bob@example.org'], id: 'run.4.r1', body: JSON.stringify(message) }
const login = { user: 'ci', password: 'correct horse' }

test.each([
  ['without TLS', { security: 'none' }, false, undefined],
  ['with STARTTLS and a login', { security: 'starttls', login }, true, 'ci'],
  ['with TLS and a login', { security: 'tls', login }, true, 'ci'],
] as const)('mail is sent %s', async (_, options, isEncrypted, user) => {
  await using sink = await SmtpSink.open(options)
  expect(await sendEmail(email, sink.settings, never)).toEqual({
    kind: 'sent',
    message: 'accepted',
    excerpt: '250 2.0.0 queued as 17',
  })
  const [mail] = sink.mails
  expect(mail).toMatchObject({ from: 'ci@example.org', to: email.recipients, isEncrypted, user })
  expect(mail!.data).toContain('From: Slipway <ci@example.org>\r\n')
  expect(mail!.data).toContain('To: ann@example.org, bob@example.org\r\n')
  expect(mail!.data).toContain('Subject: acme/web: a test of Slipway\r\n')
  expect(mail!.data).toContain('Message-ID: <run.4.r1@example.org>\r\n')
  expect(mail!.data).toContain('Content-Type: text/plain')
  expect(mail!.data).toContain('Content-Type: text/html')
})

test.each<readonly [string, Parameters<typeof SmtpSink.open>[0], Partial<SmtpSettings>, object]>([
  [
    'a server that lost its STARTTLS',
    { security: 'starttls', isStripped: true },
    {},
    { isFinal: false, message: expect.stringContaining('STARTTLS') },
  ],
  [
    'a certificate that nobody vouches for',
    { security: 'tls' },
    { ca: '' },
    { isFinal: false, message: expect.stringMatching(/certificate/i) },
  ],
  ['a wrong password', { login }, { password: 'x' }, { isFinal: false, excerpt: '535 5.7.8 who are you' }],
  [
    'a server that is busy',
    { answers: { 'MAIL FROM': '451 4.3.0 later' } },
    {},
    { isFinal: false, excerpt: '451 4.3.0 later' },
  ],
  [
    'a server that never takes it',
    { answers: { 'MAIL FROM': '554 5.7.1 no mail from you' } },
    {},
    { isFinal: true, excerpt: '554 5.7.1 no mail from you' },
  ],
])('%s gets nothing, and why is told', async (_, options, settings, expected) => {
  await using sink = await SmtpSink.open(options)
  const result = await sendEmail(email, { ...sink.settings, ...settings }, never)
  expect(result).toMatchObject({ kind: 'failed', ...expected })
  expect(sink.mails).toEqual([])
})

test('an address that the server does not know does not keep the others from theirs', async () => {
  await using sink = await SmtpSink.open({ answers: { 'RCPT TO:<ann@': '550 5.1.1 no such user' } })
  expect(await sendEmail(email, sink.settings, never)).toMatchObject({
    kind: 'sent',
    message: 'accepted, but not for ann@example.org',
  })
  expect(sink.mails).toMatchObject([{ to: ['bob@example.org'] }])
})

test('addresses that are not allowed any more get nothing', async () => {
  await using sink = await SmtpSink.open()
  const settings = { ...sink.settings, recipientDomains: ['acme.example'] }
  expect(await sendEmail(email, settings, never)).toMatchObject({ kind: 'failed', isFinal: true })
  expect(sink.commands).toEqual([])
})

test('a server that says nothing is not waited for when the time is over', async () => {
  await using sink = await SmtpSink.open({ answers: { 'MAIL FROM': '' } })
  const over = new AbortController()
  const sending = sendEmail(email, sink.settings, over.signal)
  await until(() => sink.commands.some((command) => command.startsWith('MAIL FROM')))
  over.abort(new Error('over'))
  await expect(sending).rejects.toThrow('over')
})

test('nothing that people wrote ends a header or becomes markup', () => {
  const run = {
    name: 'build\r\nBcc: eve@example.org',
    branch: '<script>alert(1)</script>',
    ref: '',
    number: 7,
    phase: 'finished',
    result: 'failed',
    url: 'https://ci.example.org/projects/p1/runs/7',
    commitSha: 'a'.repeat(40),
    commitMessage: 'x\u2028y "quoted"',
    sender: 'ann\nSubject: z',
    tasks: [{ name: 'a & b', status: 'failed' }],
    startedAt: null,
    endedAt: null,
  } as unknown as Message['run']
  const { subject, text, html } = mailContent({ ...message, event: 'run.failed', change: 'broken', run })
  expect(subject).toBe('acme/web: build Bcc: eve@example.org is broken on <script>alert(1)</script>')
  expect(text.split('\n')).toEqual([
    subject,
    '',
    'Run #7 failed in a & b.',
    'Commit aaaaaaaaaa: x y "quoted"',
    'Pushed by ann Subject: z.',
    '',
    'https://ci.example.org/projects/p1/runs/7',
    '',
  ])
  expect(html).not.toContain('<script')
  expect(html).toContain('a &amp; b')
})

test('a branch that breaks and is fixed is two mails, whatever else happens there', async () => {
  await using sink = await SmtpSink.open({ security: 'starttls', login })
  await using world = await openNotificationWorld({ settings: { smtp: sink.settings } })
  await world.receiver({ kind: 'email', recipients: ['ann@example.org'] })
  world.runs.register()
  for (const result of ['success', 'failed', 'failed', 'success', 'success'] as const)
    world.runs.end(world.runs.add({ message: 'Grüße\n\nmore' }), result, { test: result })
  await until(() => sink.mails.length === 2)
  await until(async () => (await world.list('waiting')).length === 0)
  const subjects = sink.mails.map(({ data }) => /^Subject: (.*)$/m.exec(data)?.[1]?.trim())
  expect(subjects.toSorted()).toEqual(['acme/web: build is broken on main', 'acme/web: build is fixed on main'])
  const ids = sink.mails.map(({ data }) => /^Message-ID:\s+(\S+)/m.exec(data)?.[1])
  expect(ids.every((id) => id?.endsWith('@example.org>'))).toBe(true)
  expect(new Set(ids).size).toBe(2)
})
