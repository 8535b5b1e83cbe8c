/** Certificates that come to their end: when they count against a member, and what is told of them. */
import t from 'tap'
import type { CertificateNews } from '../../../src/controlplane/health/certificate-watch.ts'
import type { CheckTarget } from '../../../src/controlplane/health/checked-member.ts'
import type { ProbeVerdict } from '../../../src/controlplane/health/verdict.ts'
import type { MemberHealth } from '../../../src/controlplane/model/observation.ts'
import { tlsDefaults } from '../model/defaults.ts'
import { intervalMs, probeOf, setUp } from './checker-harness.ts'
import { refused } from './fixture.ts'

const dayMs = 86_400_000
const tls = { ...tlsDefaults, minDaysLeft: 7, warnDaysLeft: 14 }

interface Owner {
  teardown(fn: () => unknown): void
}

/** Members a, b, ... of pool web at the ports 1, 2, ..., each of which shows a certificate. */
function watching(t: Owner, count: number, changes: Partial<typeof tls> = {}, address?: string) {
  const told: string[] = []
  let last: MemberHealth | null = null
  const onCertificate = (health: MemberHealth, { what, certificate, reason }: CertificateNews) => {
    last = health
    told.push(`${health.member} ${what} ${certificate.fingerprint}: ${reason}`)
  }
  const set = setUp(t, { onCertificate })
  const names = [...'abcdefgh'].slice(0, count)
  const targets = names.map((member, index): CheckTarget => {
    const method = probeOf(index + 1, { type: 'https', tls: { ...tls, ...changes } }, address)
    return { pool: 'web', member, quorum: 'own', method }
  })
  const show = (port: number, fingerprint: string, days: number) =>
    set.fail(port, shown(fingerprint, set.clock.nowMs() + days * dayMs))
  return {
    ...set,
    targets,
    show,
    begin: () => set.checker.setTargets(targets),
    /** Until every member has been probed again, and what came of it is told. */
    around: async () => {
      await set.clock.advance(intervalMs * 1.5)
      await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)))
    },
    told: () => told.splice(0),
    known: () => last,
    states: () => names.map((name) => set.shown(name)?.split(':')[0]),
  }
}

const shown = (fingerprint: string, notAfterMs: number): ProbeVerdict => ({
  ok: true,
  durationMs: 1,
  certificate: { fingerprint, notAfterMs, name: 'www.example.test' },
})

t.test('one that was forgotten leaves while the others have a better one', async (t) => {
  const { show, begin, around, states, shown, fail, said } = watching(t, 3)
  show(1, 'old', 3)
  show(2, 'new', 80)
  show(3, 'new', 80)
  begin()
  await around()
  t.same(states(), ['down', 'up', 'up'])
  t.equal(shown('a'), 'down: certificate ends in 2 days, 7 wanted')
  said()
  fail(2, refused)
  fail(3, refused)
  await around()
  await around()
  t.same(states(), ['up', 'down', 'down'], 'it is back when the others are gone')
  t.match(shown('a'), /certificate ends in 2 days, 7 wanted, as in most of the pool$/)
  show(2, 'new', 80)
  show(3, 'new', 80)
  await around()
  await around()
  t.same(states(), ['down', 'up', 'up'])
  show(1, 'new', 80)
  await around()
  t.same(states(), ['up', 'up', 'up'], 'renewed')
})

t.test('one that all share becomes short for all at once, and takes nobody out', async (t) => {
  const { show, begin, around, states, said, told } = watching(t, 4)
  for (const port of [1, 2, 3, 4]) show(port, 'shared', 7 + (intervalMs * 3.2) / dayMs)
  begin()
  await around()
  t.same(states(), ['up', 'up', 'up', 'up'])
  t.equal(told().length, 4)
  said()
  for (let round = 0; round < 4; round++) await around()
  t.same(said(), [], 'not for a moment')
  t.same(told(), [], 'and all has been told')
})

t.test('a rolling renewal takes out those that are behind once half have the new one', async (t) => {
  const { show, begin, around, states } = watching(t, 4)
  for (const port of [1, 2, 3, 4]) show(port, 'old', 3)
  begin()
  await around()
  show(1, 'new', 90)
  await around()
  t.same(states(), ['up', 'up', 'up', 'up'])
  show(2, 'new', 90)
  await around()
  t.same(states(), ['up', 'up', 'down', 'down'])
  show(3, 'new', 90)
  show(4, 'new', 90)
  await around()
  t.same(states(), ['up', 'up', 'up', 'up'])
})

t.test('families are counted by themselves', async (t) => {
  const { checker, show, around, shown, targets } = watching(t, 2)
  const method = probeOf(3, { type: 'https', tls }, '2001:db8::1')
  const six: CheckTarget = { pool: 'web', member: 'six', quorum: 'own', method }
  show(1, 'new', 90)
  show(2, 'new', 90)
  show(3, 'old', 3)
  checker.setTargets([...targets, six])
  await around()
  t.match(shown('six'), /^up/, 'the only one of IPv6 is not measured by those of IPv4')
})

t.test('members that leave the pool leave the count', async (t) => {
  const { checker, show, begin, around, states, targets } = watching(t, 3)
  show(1, 'new', 90)
  show(2, 'old', 3)
  show(3, 'new', 90)
  begin()
  await around()
  t.same(states(), ['up', 'down', 'up'])
  checker.setTargets(targets.slice(1, 2))
  await around()
  t.same(states(), [undefined, 'up', undefined])
})

t.test('each certificate is told of once, and so is its renewal', async (t) => {
  const { show, begin, around, told, known } = watching(t, 1)
  show(1, 'A', 20)
  begin()
  await around()
  t.same(told(), [])
  show(1, 'A', 13.5)
  await around()
  await around()
  t.same(told(), ['a ends-soon A: certificate ends in 13 days, 14 wanted'])
  show(1, 'B', 10)
  await around()
  t.same(
    told(),
    ['a ends-soon B: certificate ends in 9 days, 14 wanted'],
    'no renewal that is worth the name',
  )
  show(1, 'C', 90)
  await around()
  t.match(told(), [/^a renewed C: another certificate, good until /])
  show(1, 'A', 13)
  await around()
  show(1, 'C', 90)
  await around()
  t.same(told(), [], 'several servers behind one address, of which one is behind')
  t.same(known()?.told, [
    { fingerprint: 'A', renewed: true },
    { fingerprint: 'B', renewed: true },
  ])
})

t.test('what has been told goes through a restart, and through changes of state', async (t) => {
  const before = watching(t, 1)
  before.show(1, 'A', 3)
  before.begin()
  await before.around()
  t.equal(before.told().length, 1)
  before.fail(1, refused)
  await before.around()
  await before.around()
  const health = before.checker.availability().get('web')!.get('a')!
  t.match(health, { state: 'down', told: [{ fingerprint: 'A', renewed: false }] })
  const after = watching(t, 1)
  after.checker.restore([health])
  after.show(1, 'A', 3)
  after.begin()
  await after.around()
  t.same(after.told(), [])
  after.show(1, 'B', 90)
  await after.around()
  t.match(after.told(), [/^a renewed B/])
})

t.test('no more are remembered than there may be in a row', async (t) => {
  const { show, begin, around, told, known } = watching(t, 1)
  show(1, '0', 3)
  begin()
  await around()
  for (let number = 1; number <= 20; number++) {
    show(1, String(number), 3)
    await around()
  }
  t.equal(told().length, 21)
  t.equal(known()?.told?.length, 16)
  t.equal(known()?.told?.at(-1)?.fingerprint, '20')
})
