/** A resolver for tests: a DNS server on UDP that says what the test wants it to say, failures and silence too. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type Answer, decode, encode } from 'dns-packet'
import { patience } from './patience.ts'

const rcodes = { noerror: 0, servfail: 2, nxdomain: 3, refused: 5 } as const

/** What is said of a name and type: RRs, no RR, an error, or nothing at all. */
export type Saying =
  | { readonly ttl: number; readonly data: readonly string[] }
  | { readonly rrs: readonly Answer[] }
  | keyof typeof rcodes
  | 'silence'

export interface Upstream extends AsyncDisposable {
  /** As POOLDNS_RESOLVERS takes it. */
  readonly address: string
  /** By `name type`, names without the final dot. A name that nothing is said of does not exist. */
  readonly says: Map<string, Saying>
  /** Every question so far, as `name type`. */
  readonly questions: readonly string[]
  /** Resolves when this is asked for once more. */
  asked(question: string): Promise<void>
  stop(): Promise<void>
}

export async function startUpstream({ host = '127.0.0.1', port = 0 } = {}): Promise<Upstream> {
  const isV6 = host.includes(':')
  const socket = createSocket(isV6 ? 'udp6' : 'udp4')
  const says = new Map<string, Saying>()
  const questions: string[] = []
  socket.on('message', (message, from) => {
    const query = decode(message)
    const [question] = query.questions!
    const name = question!.name.toLowerCase()
    const key = `${name} ${question!.type}`
    const saying =
      says.get(key) ?? ([...says.keys()].some((k) => k.startsWith(`${name} `)) ? 'noerror' : 'nxdomain')
    const { rcode, answers } = responseTo(name, question!.type, saying)
    if (saying !== 'silence') {
      const response = encode({
        type: 'response',
        id: query.id!,
        flags: 0x0180 | rcode,
        questions: query.questions!,
        answers: [...answers],
      })
      socket.send(response, from.port, from.address)
    }
    questions.push(key)
    socket.emit(`asked ${key}`)
  })
  socket.bind(port, host)
  await once(socket, 'listening')
  let open = true
  const stop = async () => {
    if (!open) return
    open = false
    socket.close()
    await once(socket, 'close')
  }
  return {
    address: `${isV6 ? `[${host}]` : host}:${socket.address().port}`,
    says,
    questions,
    asked: async (question) => void (await once(socket, `asked ${question}`, { signal: patience() })),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

function responseTo(
  name: string,
  type: string,
  saying: Saying,
): { rcode: number; answers: readonly Answer[] } {
  if (saying === 'silence') return { rcode: 0, answers: [] }
  if (typeof saying === 'string') return { rcode: rcodes[saying], answers: [] }
  if ('rrs' in saying) return { rcode: 0, answers: saying.rrs }
  const answers = saying.data.map((data) => ({ type: type as 'A', name, ttl: saying.ttl, data }))
  return { rcode: 0, answers }
}
