/**
 * Mail, by the SMTP server of the settings. The client is nodemailer, which is optional and loaded with the first letter: whoever sends
 * none needs it not.
 *
 * A password goes nowhere without TLS, but to this host. Which server it is says who runs this one, so its address is not judged as
 * those of webhooks are, which others may configure.
 */
import { BlockList, isIP } from 'node:net'
import { toReason } from '../../model/reason.ts'
import type { SmtpServer } from '../../model/smtp-server.ts'
import type { AttemptResult } from './attempt.ts'
import type { Letter } from './formats/mail.ts'

export interface MailSettings {
  /** Null where none is set. */
  readonly server: SmtpServer | null
  /** The address that letters come from; null where none is set. */
  readonly from: string | null
}

export interface Posting {
  readonly to: readonly string[]
  readonly letter: Letter
  /** The same for each attempt. */
  readonly id: string
  readonly timeoutMs: number
}

type Nodemailer = typeof import('nodemailer')

export class Mailer {
  readonly #settings: MailSettings

  constructor(settings: MailSettings) {
    this.#settings = settings
  }

  /** Never rejects, and ends within the timeout. @param signal calls the attempt off */
  async send(posting: Posting, signal: AbortSignal): Promise<AttemptResult> {
    const { server, from } = this.#settings
    if (server === null) return failed('POOLDNS_SMTP_URL is not set on this server')
    if (from === null) return failed('POOLDNS_MAIL_FROM is not set on this server')
    const nodemailer = await load()
    if (nodemailer === null) return failed('the package nodemailer, which sends mail, is not installed')
    const { promise, resolve } = Promise.withResolvers<AttemptResult>()
    const { timeoutMs } = posting
    const timer = setTimeout(() => resolve(failed(`timeout after ${timeoutMs} ms`)), timeoutMs)
    const onAbort = () => resolve(failed('called off'))
    signal.addEventListener('abort', onAbort)
    const transport = nodemailer.createTransport(optionsOf(server, timeoutMs))
    transport.sendMail(letterTo(posting, from)).then(
      () => resolve({ kind: 'delivered' }),
      (error: unknown) => resolve(failed((error as Error).message)),
    )
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      transport.close()
    }
  }
}

async function load(): Promise<Nodemailer | null> {
  try {
    return await import('nodemailer')
  } catch {
    return null
  }
}

function optionsOf({ host, port, secure, user, password }: SmtpServer, timeoutMs: number) {
  return {
    host,
    port,
    secure,
    ...(user === null ? {} : { auth: { user, pass: password ?? '' } }),
    requireTLS: !secure && user !== null && !isLoopback(host),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    dnsTimeout: timeoutMs,
    // What a letter says is text; nothing of it is read from files or fetched.
    disableFileAccess: true,
    disableUrlAccess: true,
  }
}

function letterTo({ to, letter, id }: Posting, from: string) {
  const domain = from.slice(from.lastIndexOf('@') + 1)
  // RFC 3834 section 5: nobody's absence is to be told to a program.
  const headers = { 'Auto-Submitted': 'auto-generated' }
  return { from, to: [...to], ...letter, messageId: `<${id}@${domain}>`, headers }
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

function isLoopback(host: string): boolean {
  const family = isIP(host)
  return host === 'localhost' || (family !== 0 && loopback.check(host, family === 4 ? 'ipv4' : 'ipv6'))
}

function failed(reason: string): AttemptResult {
  return { kind: 'failed', reason: toReason(reason), retryAfterMs: null, own: false }
}
