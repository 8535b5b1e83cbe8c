/** The control plane's side of a data plane that does not do what it is told, or goes. */
import { duplexPair } from 'node:stream'
import t, { type Test } from 'tap'
import { RemoteDataPlane } from '../../src/daemon/remote-data-plane.ts'
import type { Supervision } from '../../src/daemon/supervision.ts'
import { Conversation } from '../../src/dataplane/process/conversation.ts'
import type { FromDataPlane, ToDataPlane } from '../../src/dataplane/process/messages.ts'
import type { Sample } from '../../src/dataplane/sample-reader.ts'
import { generation } from '../dataplane/listener/running-fleet.ts'

const none = () => undefined

/** One that is told of data planes by the test; each of them acknowledges, or not. */
function start(t: Test, deafAfterMs: number) {
  const said: string[] = []
  const seen = new Set<string>()
  const waiting = new Map<string, () => void>()
  const see = (what: string) => {
    seen.add(what)
    waiting.get(what)?.()
  }
  const say = (what: string) => {
    said.push(what)
    see(what)
  }
  let onLink: Parameters<Supervision['links']>[0] = none
  const supervision: Supervision = {
    open: async () => ({ bound: [], backend: { name: 'batch', reason: '' }, skipped: [] }),
    serving: (number) => say(`serving ${number}`),
    parted: (number) => say(`parted ${number}`),
    deaf: (number) => say(`deaf ${number}`),
    links: (each) => {
      onLink = each
    },
    restarts: () => [],
    isAnswering: false,
    keepsAnswering: true,
    memory: null,
  }
  const events = {
    onError: none,
    onUnreadable: none,
    onRestart: none,
    onTapRestart: (reason: string) => say(`tap ${reason}`),
    onFallback: none,
    onSkipped: none,
  }
  const plane = new RemoteDataPlane(supervision, 100, events, null, deafAfterMs)
  t.teardown(() => plane[Symbol.asyncDispose]())
  const hear = (what: string) =>
    seen.has(what) ? undefined : new Promise<void>((resolve) => waiting.set(what, resolve))
  const link = (number: number, acknowledges: boolean) => {
    const live = { udp: 1, tcp: 1 }
    const state = {
      acknowledges,
      end: () => conversation.end(),
      fail: () => conversation.say({ kind: 'failed', code: 'EAGAIN', message: 'no thread' }),
      serves: (generation: number) => conversation.say({ kind: 'serving', generation, live }),
      asked: Promise.withResolvers<void>(),
      tell: (samples: readonly Sample[]) => conversation.say({ kind: 'sampled', samples }),
      leave: (frames: readonly Uint8Array[]) => conversation.say({ kind: 'queried', frames }),
      /** How often it was asked for its counters. */
      counting: 0,
      count: (value: number) => {
        const cells = { cells: Uint32Array.of(0), values: Float64Array.of(value) }
        conversation.say({ kind: 'counted', counted: [{ transport: 'udp', worker: 0, ...cells }], live })
      },
      restartTap: (reason: string) =>
        conversation.say({ kind: 'event', event: { what: 'tap-restart', reason }, live }),
    }
    const [mine, theirs] = duplexPair()
    const conversation = new Conversation<FromDataPlane, ToDataPlane>(
      mine,
      (message) => {
        if (state.acknowledges && 'update' in message)
          conversation.say({ kind: 'serving', generation: message.update.generation, live })
        if (message.kind === 'sample' || message.kind === 'queries') state.asked.resolve()
        // It comes each second, too.
        if (message.kind === 'count') see(`count ${++state.counting} of ${number}`)
      },
      none,
    )
    onLink(theirs, number)
    return state
  }
  return { plane, said, hear, link }
}

t.test('one that takes no change is told of, and the change waits for the next', async (t) => {
  const { plane, said, hear, link } = start(t, 20)
  const started = plane.start()
  link(1, false)
  await hear('parted 1')
  const second = link(2, true)
  await started
  await plane.publish(generation(1))
  second.acknowledges = false
  // No next one comes.
  const waits = t.rejects(plane.publish(generation(2)), { code: 'unavailable' })
  await hear('parted 2')
  t.same(said, ['deaf 1', 'parted 1', 'serving 2', 'deaf 2', 'parted 2'])
  await plane[Symbol.asyncDispose]()
  await waits
})

t.test('of one that takes what it is told nothing is said, nor of an end that is ours', async (t) => {
  const { plane, said, hear, link } = start(t, 50)
  const started = plane.start()
  link(1, true)
  await started
  await plane.publish(generation(1))
  await new Promise((resolve) => setTimeout(resolve, 150))
  const last = link(2, true)
  await hear('serving 2')
  await plane[Symbol.asyncDispose]()
  last.end()
  t.same(said, ['serving 1', 'serving 2'])
})

t.test('a change that only those had who are gone is served by the next, and not before', async (t) => {
  const { plane, hear, link } = start(t, 10_000)
  const started = plane.start()
  const one = link(1, true)
  await started
  await plane.publish(generation(1))
  one.acknowledges = false
  const two = link(2, false)
  let isServed = false
  const served = plane.publish(generation(2)).then(() => {
    isServed = true
  })
  two.serves(1)
  await hear('serving 2')
  two.end()
  one.end()
  await Promise.all([hear('parted 1'), hear('parted 2')])
  await new Promise((resolve) => setImmediate(resolve))
  t.notOk(isServed)
  link(3, true)
  await served
})

t.test('a change that a stop comes upon is waited for no more, nor is one that comes later', async (t) => {
  const { plane, link } = start(t, 10_000)
  const started = plane.start()
  const one = link(1, true)
  await started
  one.acknowledges = false
  const underWay = plane.publish(generation(1))
  await plane[Symbol.asyncDispose]()
  await t.rejects(underWay, { code: 'unavailable', message: /the server stops/ })
  await t.rejects(plane.publish(generation(2)), { code: 'unavailable' })
})

t.test('of one that can not listen a start hears, and later a change waits for the next', async (t) => {
  const early = start(t, 10_000)
  const failed = t.rejects(early.plane.start(), { code: 'EAGAIN' })
  early.link(1, false).fail()
  await failed
  const { plane, hear, link } = start(t, 10_000)
  const started = plane.start()
  const one = link(1, true)
  await started
  one.end()
  await hear('parted 1')
  const served = plane.publish(generation(1))
  const two = link(2, false)
  two.fail()
  await new Promise((resolve) => setImmediate(resolve))
  two.end()
  await hear('parted 2')
  link(3, true)
  await served
})

t.test('one that is gone without a word holds nothing up for ever', async (t) => {
  const { plane, hear, link } = start(t, 20)
  const started = plane.start()
  const gone = link(1, true)
  await started
  gone.acknowledges = false
  const served = plane.publish(generation(1))
  await hear('serving 1')
  link(2, true)
  await hear('parted 1')
  await served
})

t.test('samples are of all that answer; one that goes has none', async (t) => {
  const { plane, link } = start(t, 10_000)
  const started = plane.start()
  const [one, two] = [link(1, true), link(2, true)]
  await started
  const sample = { sinceMs: 1, seen: 2, packed: Buffer.from('x') }
  const [asked, again] = [plane.sample(), plane.sample()]
  await Promise.all([one.asked.promise, two.asked.promise])
  one.tell([sample])
  two.end()
  t.same([await asked, await again], [[sample], [sample]])
  const last = plane.sample()
  one.end()
  t.same(await last, [])
})

t.test('what is left for the query log is of all that answer; one that goes has none', async (t) => {
  const { plane, link, hear } = start(t, 10_000)
  const started = plane.start()
  const [one, two] = [link(1, true), link(2, true)]
  await started
  const asked = plane.queries(1000)
  await Promise.all([one.asked.promise, two.asked.promise])
  one.leave([Buffer.from('x'), Buffer.from('y')])
  two.end()
  t.same(await asked, [Buffer.from('x'), Buffer.from('y')])
  const again = plane.queries(1000)
  one.leave([])
  t.same(await again, [])
  one.restartTap('broken')
  await hear('tap broken')
})

t.test(
  'whoever asks what was counted is told of all that was counted before, whoever else asks',
  async (t) => {
    // Nobody asks each second.
    t.intercept(globalThis, 'setInterval', { value: () => ({ unref: none }) })
    const { plane, hear, link } = start(t, 10_000)
    const started = plane.start()
    const one = link(1, true)
    await started
    const seen = () => plane.counters('udp').map((buffer) => new Float64Array(buffer)[0])
    const first = plane.refresh()
    await hear('count 1 of 1')
    // Its answer is on its way when more is counted, and asked for by two.
    const [second, third] = [plane.refresh(), plane.refresh()]
    let isTold = false
    void second.then(() => {
      isTold = true
    })
    one.count(1)
    await first
    t.same(seen(), [0, 1])
    await hear('count 2 of 1')
    t.notOk(isTold)
    one.count(2)
    await Promise.all([second, third])
    t.same(seen(), [0, 2])
    t.equal(one.counting, 2, 'by one question')
  },
)
