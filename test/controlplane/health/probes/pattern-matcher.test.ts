/** Patterns that are dear, and who has to wait for them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { PatternMatcher } from '../../../../src/controlplane/health/probes/pattern-matcher.ts'
import type { MatchMessage } from '../../../../src/controlplane/health/probes/pattern-thread.ts'
import { probe } from '../../../../src/controlplane/health/probes/probe.ts'
import { anyText } from '../../model/defaults.ts'
import { seededRandom, serveHttp, targetAt } from '../fixture.ts'

const never = new AbortController().signal

// Threads that match keep no process; here nothing else does.
const keep = setInterval(() => {}, 60_000)
t.teardown(() => clearInterval(keep))

/** A text that keeps many beginnings of a match alive at once, each another set of them. */
const random = seededRandom(7)
const hostile = Buffer.from(Array.from({ length: 64 * 1024 }, () => (random() < 0.5 ? 97 : 98)))
const dear = (last: string) => `a[ab]{40}[${last}]`

t.test(
  'a pattern within its limit, and a text that is made for it, cost the main thread next to nothing',
  async (t) => {
    const port = await serveHttp(t, (_request, response) => response.end(hostile))
    await probe(targetAt(port, { expectBody: { ...anyText, matches: 'warm' } }), never)
    const [whole, main] = [process.cpuUsage(), process.threadCpuUsage()]
    const expectBody = { ...anyText, matches: dear('cd') }
    const verdict = await probe(targetAt(port, { expectBody }), never)
    const [wholeAfter, mainAfter] = [process.cpuUsage(whole), process.threadCpuUsage(main)]
    t.match(verdict, {
      failure: 'body',
      reason: /^body (does not match|takes too long to match against) "a\[ab\]/,
    })
    const share = (mainAfter.user + mainAfter.system) / (wholeAfter.user + wholeAfter.system)
    t.ok(share < 0.5, `${share} of the CPU time is the main thread's`)
  },
)

/** Matches one after another, and tells in which order they were done. */
function inOrder(matcher: PatternMatcher) {
  const order: string[] = []
  const begin = async (name: string, pattern: string, text: Buffer, stop = never) => {
    const matched = await matcher.match([pattern], text, stop)
    order.push(name)
    return matched
  }
  return { order, begin }
}

/** Keeps texts for these patterns from the thread that would match them, until they are let go. */
function holdBack(t: Test, ...patterns: readonly string[]) {
  const kept: (() => void)[] = []
  const { postMessage } = Worker.prototype
  const interception = t.intercept(Worker.prototype, 'postMessage', {
    value: function (this: Worker, message: MatchMessage, transfer: readonly ArrayBuffer[]) {
      const post = () => postMessage.call(this, message, transfer)
      if (message.patterns.some((pattern) => patterns.includes(pattern))) kept.push(post)
      else post()
    },
  })
  return {
    letGo: () => {
      interception.restore()
      for (const post of kept) post()
    },
  }
}

/** As much of it as costs more than a quick pattern may, and not much more. */
const some = hostile.subarray(0, 16 * 1024)

t.test('one that is dear delays others like it, and they take turns', async (t) => {
  const matcher = new PatternMatcher()
  const { order, begin } = inOrder(matcher)
  const [a, b] = [dear('cd'), dear('ef')]
  for (const pattern of [a, b]) t.same(await begin('first', pattern, some), [false])
  order.length = 0
  const held = holdBack(t, a, b)
  const dears = [begin('a1', a, some), begin('a2', a, some), begin('a3', a, some), begin('b1', b, some)]
  t.same(await begin('quick', 'b+a', some), [true], 'it has waited for none of them')
  held.letGo()
  await Promise.all(dears)
  t.same(order, ['quick', 'a1', 'a2', 'b1', 'a3'])
})

t.test('one that has been dear is quick again after some time', async (t) => {
  const matcher = new PatternMatcher()
  const { order, begin } = inOrder(matcher)
  const [a, b] = [dear('cd'), dear('ef')]
  for (const pattern of [a, b]) await begin('first', pattern, some)
  for (let run = 0; run < 32; run++) await begin('short', a, Buffer.from('ab'))
  order.length = 0
  const held = holdBack(t, b)
  const slow = begin('b', b, some)
  t.same(await begin('a', a, Buffer.from('ab')), [false])
  held.letGo()
  await slow
  t.same(order, ['a', 'b'])
})

t.test('who is called off waits no longer, and nobody waits for them', async (t) => {
  const matcher = new PatternMatcher()
  const { begin } = inOrder(matcher)
  const off = new AbortController()
  const first = begin('first', 'b', hostile)
  const under = begin('under way', 'c', hostile, off.signal)
  off.abort()
  t.equal(await under, null)
  t.equal(await begin('before it began', 'c', hostile, off.signal), null)
  t.same(await first, [true])
  t.same(await begin('after', 'a', hostile), [true])
})

t.test('a thread that hangs or dies is replaced', async (t) => {
  const matcher = new PatternMatcher()
  const many = Array.from({ length: 26 }, (_, index) => dear(`c-${String.fromCharCode(0x1e00 + index)}`))
  t.equal(
    await matcher.match(many, Buffer.concat([hostile, hostile]), never),
    null,
    'five seconds are too long',
  )
  t.same(await matcher.match(['a', 'c'], hostile, never), [true, false])
  t.equal(await matcher.match(['('], hostile, never), null, 'no pattern')
  t.same(await matcher.match(['a', 'c'], hostile, never), [true, false])
})

t.test('that the whole process was stopped makes no text dear', async (t) => {
  const matcher = new PatternMatcher()
  // From here on the thread is there.
  t.same(await matcher.match(['a'], some, never), [true])
  const matched = matcher.match([dear('kl')], some, never)
  // For longer than a text may take, by somebody who is not stopped with it.
  const { pid } = process
  const other = spawn('sh', ['-c', `kill -STOP ${pid}; sleep 5.5; kill -CONT ${pid}`], { stdio: 'inherit' })
  await once(other, 'exit')
  t.same(await matched, [false])
})

t.test('a deadline in the middle of it is told as one', async (t) => {
  const port = await serveHttp(t, (_request, response) => response.end(hostile))
  const expectBody = { ...anyText, matches: dear('gh'), mismatches: dear('ij') }
  const verdict = await probe(targetAt(port, { expectBody, timeoutMs: 300 }), never)
  t.match(verdict, { failure: 'timeout' })
})
