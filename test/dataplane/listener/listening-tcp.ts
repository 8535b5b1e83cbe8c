/** TCP listeners in this thread, for tests. */
import type { Test } from 'tap'
import type { Answerer, ListenAddress, Listener } from '../../../src/dataplane/listener/listener.ts'
import type { StreamLimits } from '../../../src/dataplane/listener/stream-limits.ts'
import { startTcp } from '../../../src/dataplane/listener/tcp.ts'
import { TcpClient } from '../../support/dns-client.ts'
import { type Answering, answering } from './listening.ts'

export interface ListeningTcp extends Answering {
  readonly listener: Listener
  readonly endpoint: ListenAddress
  /** A client that is closed with the test. */
  open(localAddress?: string): Promise<TcpClient>
}

export interface ListeningOptions {
  readonly host?: string
  readonly limits?: Partial<StreamLimits>
  /** What answers, made from what does so by default. */
  readonly answerer?: (responder: Answerer) => Answerer
}

/** Starts a listener on one address that stops with the test. */
export async function startListening(t: Test, options: ListeningOptions = {}): Promise<ListeningTcp> {
  const { host = '127.0.0.1', limits = {}, answerer = (responder) => responder } = options
  const answers = answering(true)
  const parts = {
    ...answers,
    responder: answerer(answers.responder),
    limits: { ...answers.limits, ...limits },
  }
  const listener = await startTcp([{ host, port: 0 }], parts)
  const clients: TcpClient[] = []
  t.teardown(async () => {
    for (const client of clients) client[Symbol.dispose]()
    await listener.stop()
  })
  const endpoint = listener.bound[0]!
  const open = async (localAddress?: string) => {
    const client = await TcpClient.open(endpoint, localAddress)
    clients.push(client)
    return client
  }
  return { ...parts, listener, endpoint, open }
}
