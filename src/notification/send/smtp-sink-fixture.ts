// A small SMTP server that keeps what it gets: with STARTTLS or TLS, with a login or without.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer, TLSSocket } from 'node:tls'
import type { SmtpSettings } from './email.ts'

export type SinkOptions = {
  readonly security?: SmtpSettings['security']
  readonly login?: { readonly user: string; readonly password: string }
  /** A server that offers no STARTTLS though it should. */
  readonly isStripped?: boolean
  /** Answers of commands other than 250, by their beginnings: `RCPT TO:<eve@`. */
  readonly answers?: Readonly<Record<string, string>>
}

export type Mail = {
  readonly from: string
  readonly to: readonly string[]
  readonly user: string | undefined
  readonly isEncrypted: boolean
  /** As it came, with CRLF. */
  readonly data: string
}

export class SmtpSink implements AsyncDisposable {
  readonly mails: Mail[] = []
  /** Commands in their order, logins cut. */
  readonly commands: string[] = []
  readonly #options: SinkOptions
  readonly #certificate: { readonly key: Buffer; readonly cert: Buffer }
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(options: SinkOptions) {
    this.#options = options
    this.#certificate = makeCertificate()
    const accept = (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('error', () => {})
      socket.write('220 sink ESMTP\r\n')
      this.#converse(socket, options.security === 'tls')
    }
    this.#server = options.security === 'tls' ? createTlsServer(this.#certificate, accept) : createServer(accept)
  }

  static async open(options: SinkOptions = {}): Promise<SmtpSink> {
    const sink = new SmtpSink(options)
    await new Promise<void>((resolve) => sink.#server.listen(0, '127.0.0.1', resolve))
    return sink
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** How to send to it. */
  get settings(): SmtpSettings {
    const { security = 'none', login } = this.#options
    return {
      host: 'localhost',
      port: this.port,
      security,
      from: 'Slipway <ci@example.org>',
      ...(login === undefined ? {} : login),
      ca: this.#certificate.cert.toString(),
      recipientDomains: [],
    }
  }

  #converse(socket: Socket, isEncrypted: boolean): void {
    let from = ''
    let to: string[] = []
    let user: string | undefined
    let data: string | undefined
    let rest = ''
    const reply = (text: string) => socket.write(`${text}\r\n`)
    const onData = (chunk: Buffer) => {
      rest += chunk.toString('latin1')
      for (let end = rest.indexOf('\r\n'); end >= 0; end = rest.indexOf('\r\n')) {
        const line = rest.slice(0, end)
        rest = rest.slice(end + 2)
        if (data !== undefined) {
          if (line !== '.') data += `${line.replace(/^\./, '')}\r\n`
          else {
            this.mails.push({ from, to, user, isEncrypted, data: Buffer.from(data, 'latin1').toString() })
            data = undefined
            reply('250 2.0.0 queued as 17')
          }
          continue
        }
        this.commands.push(line.replace(/^(AUTH \w+) .*/, '$1'))
        const answer = Object.entries(this.#options.answers ?? {}).find(([start]) => line.startsWith(start))
        if (answer !== undefined) reply(answer[1])
        else if (/^EHLO/.test(line)) reply(this.#greeting(isEncrypted))
        else if (line === 'STARTTLS' && this.#options.isStripped === true) reply('502 no such command')
        else if (line === 'STARTTLS') {
          reply('220 go on')
          socket.off('data', onData)
          const secured = new TLSSocket(socket, { isServer: true, ...this.#certificate })
          secured.on('error', () => {})
          this.#converse(secured, true)
          return
        } else if (line.startsWith('AUTH PLAIN ')) {
          const [, name, password] = Buffer.from(line.slice(11), 'base64').toString().split('\0')
          const { login } = this.#options
          const isRight = login !== undefined && name === login.user && password === login.password
          if (isRight) user = name
          reply(isRight ? '235 2.7.0 welcome' : '535 5.7.8 who are you')
        } else if (line.startsWith('MAIL FROM:')) {
          from = /<(.*)>/.exec(line)?.[1] ?? ''
          to = []
          reply(this.#options.login !== undefined && user === undefined ? '530 5.7.0 log in' : '250 2.1.0 ok')
        } else if (line.startsWith('RCPT TO:')) {
          to.push(/<(.*)>/.exec(line)?.[1] ?? '')
          reply('250 2.1.5 ok')
        } else if (line === 'DATA') {
          data = ''
          reply('354 go on')
        } else if (line === 'QUIT') {
          reply('221 bye')
          socket.end()
        } else reply('250 ok')
      }
    }
    socket.on('data', onData)
  }

  #greeting(isEncrypted: boolean): string {
    const { security, login, isStripped } = this.#options
    const offers = [
      'sink',
      ...(security === 'starttls' && !isEncrypted && isStripped !== true ? ['STARTTLS'] : []),
      ...(login === undefined ? [] : ['AUTH PLAIN']),
      '8BITMIME',
    ]
    return offers.map((offer, index) => `250${index === offers.length - 1 ? ' ' : '-'}${offer}`).join('\r\n')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

function makeCertificate(): { readonly key: Buffer; readonly cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-smtp-'))
  try {
    const [key, certificate] = [join(folder, 'key'), join(folder, 'certificate')]
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
    execFileSync('openssl', ['req', ...kind, ...names, '-keyout', key, '-out', certificate], { stdio: 'pipe' })
    return { key: readFileSync(key), cert: readFileSync(certificate) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
