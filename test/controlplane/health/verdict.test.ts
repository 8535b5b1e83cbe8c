import t from 'tap'
import { fault, faultOfError } from '../../../src/controlplane/health/verdict.ts'
import { ownFaultCodes } from '../../../src/controlplane/model/own-fault.ts'

/** An error as Node makes them. */
const errorWith = (message: string, fields: Record<string, string>): Error =>
  Object.assign(new Error(message), fields)

t.test('reasons fit on a line of limited length', (t) => {
  t.equal(fault('tls', ' a\r\n\tb\u0000\u0085c ').reason, 'a b c')
  t.equal(fault('tls', 'a\u202eb\u2066c\u2069\u200fd\u2028e').reason, 'a b c d e')
  t.equal(fault('tls', 'x'.repeat(160)).reason.length, 160)
  t.equal(fault('tls', 'x'.repeat(161)).reason, `${'x'.repeat(159)}…`)
  t.end()
})

// The faults that a loopback server can show are in the tests of the probe; these are the others.
t.test('errors that need a network to happen', (t) => {
  const unreachable = errorWith('connect EHOSTUNREACH 192.0.2.1:80', {
    code: 'EHOSTUNREACH',
    syscall: 'connect',
  })
  const died = errorWith('read ETIMEDOUT', { code: 'ETIMEDOUT', syscall: 'read' })
  const alert = errorWith('80:error:0A:SSL routines:f:alert:../a.c:1', {
    code: 'EPROTO',
    reason: 'alert bad thing',
  })
  for (const [error, phase, expected] of [
    [unreachable, 'connecting', { failure: 'connect', reason: 'connect EHOSTUNREACH' }],
    [
      errorWith('x', { code: 'EHOSTDOWN' }),
      'connecting',
      { failure: 'connect', reason: 'connect EHOSTDOWN' },
    ],
    [new Error('no code'), 'connecting', { failure: 'connect', reason: 'no code' }],
    [died, 'exchanging', { failure: 'reset', reason: 'read ETIMEDOUT' }],
    [
      errorWith('write EPIPE', { code: 'EPIPE' }),
      'exchanging',
      { failure: 'reset', reason: 'connection reset' },
    ],
    [alert, 'exchanging', { failure: 'tls', reason: 'alert bad thing' }],
    [new Error('something new'), 'exchanging', { failure: 'protocol', reason: 'something new' }],
    ['not an error', 'exchanging', { failure: 'protocol', reason: 'not an error' }],
    [null, 'handshaking', { failure: 'tls', reason: 'null' }],
  ] as const) {
    t.same(faultOfError(error, phase), expected, String(error))
  }
  t.end()
})

t.test('what this host lacks is no statement about a member, in any phase', (t) => {
  for (const code of ownFaultCodes) {
    for (const phase of ['connecting', 'handshaking', 'exchanging'] as const) {
      const error = errorWith('x', { code, syscall: 'connect' })
      const reason = `this node's own fault: connect ${code}`
      t.same(faultOfError(error, phase), { failure: 'aborted', reason })
    }
  }
  const [own, theirs] = ['EMFILE', 'ECONNREFUSED'].map((code) => errorWith('x', { code }))
  t.match(faultOfError(new AggregateError([own, own]), 'connecting'), { failure: 'aborted' })
  t.match(faultOfError(new AggregateError([own, theirs]), 'connecting'), { failure: 'connect' })
  t.match(faultOfError(new AggregateError([]), 'connecting'), { failure: 'connect' })
  t.end()
})
