/** The process that answers, without its edges: what is said to it, and what DNS clients hear. */
import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import t from 'tap'
import { defaultAnswerSettings } from '../../../src/dataplane/image/answer-settings.ts'
import { only } from '../../../src/dataplane/image/serving-set.ts'
import { writeFrame } from '../../../src/dataplane/process/frames.ts'
import { unpackSample } from '../../../src/dataplane/sample-reader.ts'
import { formatName } from '../../../src/dataplane/wire/name.ts'
import { query, readResponse, TcpClient, UdpClient } from '../../support/dns-client.ts'
import { holdTimers } from '../../support/held-timers.ts'
import { alive, generation, generationOf, question } from '../listener/running-fleet.ts'
import { servingUpdate } from '../zone-text.ts'
import { startAnswering } from './conversing.ts'

/** Once, for some count it: nothing is lost while the workers live. */
async function ask(endpoint: { host: string; port: number }, request = question) {
  await using client = await UdpClient.open(endpoint)
  return readResponse(await client.exchange(request))
}

t.test(
  'it serves what it is told, goes on alone, and holds nothing of an earlier conversation',
  async (t) => {
    const { endpoint, decide } = startAnswering(t)
    const first = decide()
    first.say({ kind: 'replace', update: generation(5) })
    t.same(await first.next('serving'), { kind: 'serving', generation: 5, live: { udp: 1, tcp: 1 } })
    t.equal(generationOf(await ask(endpoint)), 5)
    first.say({ kind: 'publish', update: generation(6) })
    t.match(await first.next('serving'), { generation: 6 })
    t.equal(generationOf(await ask(endpoint)), 6)
    first.say({ kind: 'count' })
    const { counted } = await first.next('counted')
    t.same(
      counted.map(({ transport, worker }) => `${transport} ${worker}`),
      ['udp 0', 'tcp 0'],
    )
    t.ok(counted[0]!.cells.length > 0)
    // How long an answer took is counted behind it.
    let changed = counted[0]!.cells.length
    while (changed > 0) {
      first.say({ kind: 'count' })
      changed = (await first.next('counted')).counted[0]!.cells.length
    }
    t.equal(changed, 0, 'what has changed alone')
    first.end()
    await first.over
    t.equal(generationOf(await ask(endpoint)), 6)

    const second = decide()
    second.say({
      kind: 'replace',
      update: servingUpdate([{ apex: 'three.test', lines: ['x 9 A 192.0.2.3'] }], [], 1),
    })
    t.match(await second.next('serving'), { generation: 1 })
    t.equal((await ask(endpoint)).rcode, 5, 'the zones of the first are gone')
    t.same((await ask(endpoint, query('x.three.test', 'A'))).answer, ['x.three.test 9 A 192.0.2.3'])
    second.say({ kind: 'count' })
    t.ok((await second.next('counted')).counted[0]!.cells.length > 0, 'to another one, all of it')
  },
)

t.test('it tells what it was asked, to whoever decides', async (t) => {
  const { endpoint, decide } = startAnswering(t)
  const first = decide()
  const settings = only({ ...defaultAnswerSettings, sample: true })
  first.say({ kind: 'replace', update: { ...generation(5), settings } })
  await first.next('serving')
  await ask(endpoint)
  for (const begin of [() => first, decide]) {
    const decider = begin()
    decider.say({ kind: 'sample' })
    const { samples } = await decider.next('sampled')
    t.same(
      samples.map((sample) => Array.from(unpackSample(sample), ({ name }) => formatName(name))),
      [['a.one.test.']],
    )
  }
})

t.test('it hands out what is left for the query log, once', async (t) => {
  const { endpoint, decide } = startAnswering(t)
  const decider = decide()
  const queryLog = { queries: false, responses: true, every: 1, identity: '', version: '' }
  const settings = only({ ...defaultAnswerSettings, queryLog })
  decider.say({ kind: 'replace', update: { ...generation(5), settings } })
  await decider.next('serving')
  await ask(endpoint)
  const frames = async () => {
    decider.say({ kind: 'queries', most: 1000 })
    return (await decider.next('queried')).frames.length
  }
  // They are told of behind the answer.
  let count = await frames()
  while (count === 0) count = await frames()
  t.same([count, await frames()], [1, 0])
})

t.test('it tells when the thread of dnstap has died', async (t) => {
  const { decide } = startAnswering(t)
  const decider = decide()
  decider.say({ kind: 'replace', update: generation(5) })
  await decider.next('serving')
  const started = once(process, 'worker') as Promise<[Worker]>
  const messages = { queries: false, responses: true, every: 1, identity: 'ns1', version: '1' }
  const tap = { ...messages, to: { host: '127.0.0.1', port: 1 } }
  decider.say({
    kind: 'publish',
    update: { generation: 6, settings: only({ ...defaultAnswerSettings, tap }) },
  })
  const [worker] = await started
  await worker.terminate()
  t.match((await decider.next('event')).event, { what: 'tap-restart', reason: 'it ended' })
})

t.test('the next conversation takes the place of one that is under way', async (t) => {
  const { endpoint, decide } = startAnswering(t)
  const first = decide()
  first.say({ kind: 'replace', update: generation(1) })
  await first.next('serving')
  const second = decide()
  first.say({ kind: 'publish', update: generation(2) })
  await first.over
  second.say({ kind: 'replace', update: generation(3) })
  t.match(await second.next('serving'), { generation: 3 })
  t.equal(generationOf(await ask(endpoint)), 3)
})

t.test('what the first says when the next has come is not heard', async (t) => {
  const { endpoint, answering, decide } = startAnswering(t)
  const first = decide()
  first.say({ kind: 'replace', update: generation(1) })
  await first.next('serving')
  // Its words are on their way when the next one comes.
  first.say({ kind: 'stop' })
  const second = decide()
  second.say({ kind: 'replace', update: generation(2) })
  t.match(await second.next('serving'), { generation: 2 })
  t.equal(generationOf(await ask(endpoint)), 2)
  await answering.stop()
})

t.test('what happens is told, and kept for the next when nobody hears', async (t) => {
  const { decide } = startAnswering(t)
  const first = decide()
  first.say({ kind: 'replace', update: generation(1) })
  await first.next('serving')
  const broken = { ...generation(2), zones: [[0, new SharedArrayBuffer(64)]] } as const
  first.say({ kind: 'publish', update: broken })
  t.match(await first.next('event'), {
    event: {
      what: 'unreadable',
      kind: 'zones',
      slot: 0,
      error: { message: 'not a zone image of this version' },
    },
  })
  await first.next('serving')
  await alive('dns-tcp')[0]!.terminate()
  t.match(await first.next('event'), { event: { what: 'restart', transport: 'tcp', reason: 'it ended' } })
  first.stream.write(Buffer.alloc(8))
  t.equal(await first.over, null)
  const second = decide()
  t.match(await second.next('event'), { event: { what: 'error', error: { message: 'a head of 0 octets' } } })
  second.end()
  await second.over
  for (const worker of alive('dns-udp')) await worker.terminate()
  const third = decide()
  t.match(await third.next('event'), { event: { what: 'restart', transport: 'udp' } })
})

t.test('what it can not serve ends nothing: it is told, and what was served stays', async (t) => {
  const { endpoint, decide } = startAnswering(t)
  const first = decide()
  first.say({ kind: 'replace', update: generation(1) })
  await first.next('serving')
  writeFrame(first.stream, { said: { kind: 'publish' }, images: [] })
  t.match(await first.next('event'), { event: { what: 'error', error: { name: 'TypeError' } } })
  t.equal(generationOf(await ask(endpoint)), 1)
  first.say({ kind: 'publish', update: generation(2) })
  t.match(await first.next('serving'), { generation: 2 })
  t.equal(generationOf(await ask(endpoint)), 2)
})

t.test('it answers what has come, and ends', async (t) => {
  // After these its threads would be ended whether or not they are done.
  holdTimers(t, 5000)
  const { endpoint, ended, decide } = startAnswering(t)
  const decider = decide()
  decider.say({ kind: 'replace', update: generation(1) })
  await decider.next('serving')
  await using client = await UdpClient.open(endpoint)
  for (let id = 0; id < 50; id++) client.send(query('a.one.test', 'A', { id }))
  decider.say({ kind: 'stop' })
  for (let id = 0; id < 50; id++) t.equal(readResponse(await client.next()).id, id)
  t.equal(await ended, false)
  t.equal(await decider.over, null)
})

t.test('sockets that it can not answer by are told, and end it', async (t) => {
  const fd = 1_000_000
  const sockets = { tcp: [{ host: '127.0.0.1', port: 53, fd, dual: false }], udp: [] }
  const { ended, decide } = startAnswering(t, { sockets })
  const decider = decide()
  decider.say({ kind: 'replace', update: generation(1) })
  t.match(await decider.next('failed'), { code: 'EBADF', message: /^tcp 127\.0\.0\.1:53: fcntl EBADF/ })
  t.equal(await ended, true)
})

t.test('what it can not answer it asks whoever decides', async (t) => {
  const entry = new URL('../listener/worker-that-asks.ts', import.meta.url)
  const { endpoint, decide } = startAnswering(t, { entry })
  const decider = decide()
  decider.say({ kind: 'replace', update: generation(1) })
  await decider.next('serving')
  using client = await TcpClient.open(endpoint)
  const update = (id: number) => query('example.test', 'SOA', { id, opcode: 5 })
  client.send(update(1))
  const { id, request, client: address } = await decider.next('upcall')
  t.same([...address], [127, 0, 0, 1])
  decider.say({ kind: 'answer', id: id + 1, response: null })
  decider.say({ kind: 'answer', id, response: request })
  t.match(readResponse((await client.next())!), { id: 1 })
  client.send(update(2))
  await decider.next('upcall')
  decider.end()
  await decider.over
  client.send(update(3), question)
  t.match(readResponse((await client.next())!), { rcode: 0, answer: { length: 2 } }, 'nobody is there to ask')
})

t.test('what workers say of themselves is told', async (t) => {
  const entry = new URL('./worker-that-says.ts', import.meta.url)
  const { decide } = startAnswering(t, { entry })
  const decider = decide()
  decider.say({ kind: 'replace', update: generation(1) })
  const told = []
  while (told.length < 6) told.push((await decider.next('event')).event)
  for (const transport of ['udp', 'tcp']) {
    t.match(
      told.filter((event) => 'transport' in event && event.transport === transport),
      [
        { what: 'error', error: { message: 'odd' }, code: null, count: 2 },
        { what: 'error', error: { message: 'full' }, code: 'EMFILE', count: 1 },
      ],
    )
  }
  t.match(
    told.filter(({ what }) => what === 'fallback'),
    [{ reason: 'no such call' }, { reason: 'no such call' }],
  )
})

t.test('of events that nobody hears the first are kept', async (t) => {
  const { decide } = startAnswering(t, { mostEvents: 1 })
  const first = decide()
  first.say({ kind: 'replace', update: generation(1) })
  await first.next('serving')
  first.end()
  await first.over
  // It hears of each, whether or not it has a place for it.
  const restarts = once(process, 'worker').then(() => once(process, 'worker'))
  for (const name of ['dns-tcp', 'dns-udp']) for (const worker of alive(name)) await worker.terminate()
  await restarts
  const second = decide()
  t.match(await second.next('event'), { event: { what: 'restart', transport: 'tcp' } })
  second.say({ kind: 'count' })
  t.notMatch(await Promise.race([second.next('event'), second.next('counted')]), { kind: 'event' })
})
