import pg from 'pg'
import t from 'tap'
import { ControlError } from '../../../src/controlplane/model/errors.ts'
import {
  breaksConnection,
  meansDown,
  reasonOf,
  toControlError,
} from '../../../src/controlplane/store/postgres-errors.ts'

const server = (code: string, severity = 'ERROR') =>
  Object.assign(new pg.DatabaseError(`message of ${code}`, 0, 'error'), { code, severity })
const network = (code: string) => Object.assign(new Error(`connect ${code}`), { code })

t.test('what the server says', async (t) => {
  const table = [
    // SQLSTATE, severity, becomes, the database is down, the connection is broken
    ['57P01', 'FATAL', 'unavailable', true, true],
    ['57P03', 'FATAL', 'unavailable', true, true],
    ['28P01', 'FATAL', 'unavailable', true, true],
    ['3D000', 'FATAL', 'unavailable', true, true],
    ['53300', 'FATAL', 'unavailable', true, true],
    ['53200', 'ERROR', 'unavailable', false, false],
    ['53200', 'FATAL', 'unavailable', true, true],
    ['53100', 'ERROR', 'unavailable', true, false],
    ['25006', 'ERROR', 'unavailable', true, false],
    ['42501', 'ERROR', 'unavailable', true, false],
    ['42P01', 'ERROR', 'unavailable', true, false],
    ['57014', 'ERROR', 'unavailable', false, false],
    ['55P03', 'ERROR', 'unavailable', false, false],
    ['40P01', 'ERROR', 'unavailable', false, false],
    ['23505', 'ERROR', 'conflict', false, false],
    ['23503', 'ERROR', 'conflict', false, false],
    ['23514', 'ERROR', 'invalid', false, false],
    ['23502', 'ERROR', 'invalid', false, false],
    ['22P02', 'ERROR', 'invalid', false, false],
    ['21000', 'ERROR', 'invalid', false, false],
    ['42601', 'ERROR', null, false, false],
  ] as const
  for (const [code, severity, becomes, down, broken] of table) {
    const error = server(code, severity)
    const mapped = toControlError(error)
    t.equal(mapped instanceof ControlError ? mapped.code : null, becomes, code)
    t.equal(meansDown(error), down, `${code} down`)
    t.equal(breaksConnection(error), broken, `${code} broken`)
  }
})

t.test('a statement that has no room for its locks says so, in every language', async (t) => {
  const hint = 'Sie müssen möglicherweise max_locks_per_transaction erhöhen.'
  const error = Object.assign(server('53200'), { message: 'Shared Memory aufgebraucht', hint })
  t.match(toControlError(error), { message: /^the database has no room for more locks: / })
})

t.test('what the network and the driver say', async (t) => {
  const weather = [
    network('ECONNREFUSED'),
    network('ENOTFOUND'),
    new Error('Connection terminated unexpectedly'),
    new Error('timeout exceeded when trying to connect'),
    new Error('Query read timeout'),
    new Error('Client has encountered a connection error and is not queryable'),
    new Error('Cannot use a pool after calling end on the pool'),
    new AggregateError([network('ECONNREFUSED'), network('ECONNREFUSED')], ''),
  ]
  for (const error of weather) {
    t.match(toControlError(error), { code: 'unavailable', cause: error })
    t.ok(meansDown(error) && breaksConnection(error))
  }
  t.equal(reasonOf(weather.at(-1)), 'connect ECONNREFUSED; connect ECONNREFUSED')
})

t.test('everything else passes unchanged', async (t) => {
  const refusal = new ControlError('conflict', 'the timeout exceeded certificate of a socket hang up')
  for (const error of [refusal, new TypeError('a bug'), 'a string', null]) {
    t.equal(toControlError(error), error)
    t.notOk(meansDown(error) || breaksConnection(error))
  }
})
