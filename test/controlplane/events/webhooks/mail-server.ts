import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'

export interface ReceivedLetter {
  readonly from: string
  readonly to: readonly string[]
  /** Header fields and text, as they came. */
  readonly text: string
  readonly user: string | undefined
  readonly secure: boolean
}

export interface MailServer extends AsyncDisposable {
  readonly port: number
  readonly letters: readonly ReceivedLetter[]
  /** Resolves once so many letters have come. */
  count(letters: number): Promise<void>
}

/** An SMTP server that takes every letter. @param user who may log in, by the password `hush`; null: nobody needs to */
export async function startMailServer({
  user = null,
  startTls = true,
}: {
  user?: string | null
  startTls?: boolean
} = {}): Promise<MailServer> {
  const letters: ReceivedLetter[] = []
  const server = new SMTPServer({
    authOptional: user === null,
    allowInsecureAuth: true,
    disabledCommands: [...(startTls ? [] : ['STARTTLS']), ...(user === null ? ['AUTH'] : [])],
    onAuth: (auth, _session, done) => {
      if (auth.username === user && auth.password === 'hush') done(null, { user })
      else done(new Error('wrong password'))
    },
    onRcptTo: ({ address }, _session, done) =>
      address.startsWith('nobody@') ? done(new Error('no such mailbox')) : done(),
    onData: (stream, session, done) => {
      stream.toArray().then((chunks: Buffer[]) => {
        const { mailFrom, rcptTo } = session.envelope
        letters.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          text: Buffer.concat(chunks).toString(),
          user: session.user as string | undefined,
          secure: session.secure,
        })
        done()
        server.server.emit('letter')
      }, done)
    },
  })
  // What a client that doubts our certificate does is its own affair.
  server.on('error', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  return {
    port: (server.server.address() as AddressInfo).port,
    letters,
    async count(wanted) {
      while (letters.length < wanted) await once(server.server, 'letter')
    },
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => server.close(resolve))
    },
  }
}
