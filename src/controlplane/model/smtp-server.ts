/** Where mail goes out by: an SMTP server, and who this server is to it. */
export interface SmtpServer {
  readonly host: string
  readonly port: number
  /** TLS from the first octet; else STARTTLS, where the server has it. */
  readonly secure: boolean
  /** Null: without a login. */
  readonly user: string | null
  readonly password: string | null
}

/** `smtp://[user:password@]host[:port]`, or `smtps`; null for what is none. */
export function parseSmtpServer(text: string): SmtpServer | null {
  const url = /^smtps?:\/\//i.test(text) ? URL.parse(text) : null
  if (url === null || url.hostname === '' || url.search !== '' || url.hash !== '') return null
  if (url.pathname !== '' && url.pathname !== '/') return null
  const secure = url.protocol === 'smtps:'
  try {
    return {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? (secure ? 465 : 587) : Number(url.port),
      secure,
      user: url.username === '' ? null : decodeURIComponent(url.username),
      password: url.password === '' ? null : decodeURIComponent(url.password),
    }
  } catch {
    // A percent sign that stands for nothing.
    return null
  }
}
