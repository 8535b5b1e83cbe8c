import t from 'tap'
import { type Cause, Readiness, rules, type Step } from '../../src/daemon/readiness.ts'

const reason = 'connect ECONNREFUSED'
const causes: readonly Cause[] = [
  'database-available',
  'database-away',
  'loaded',
  'gathered',
  'bound',
  'checked',
  'stopping',
]

const tell = (readiness: Readiness, cause: Cause) =>
  readiness.go(cause, cause === 'database-away' ? reason : undefined)

/** The causes that lead to each step from the beginning. */
const ways: Readonly<Record<Step, readonly Cause[]>> = {
  waiting: [],
  away: ['database-away'],
  reading: ['database-available'],
  gathering: ['database-available', 'loaded'],
  binding: ['loaded', 'gathered'],
  checking: ['database-available', 'loaded', 'gathered', 'bound'],
  ready: ['database-available', 'loaded', 'gathered', 'bound', 'checked'],
  stopping: ['database-away', 'stopping'],
}

/** Where each step leads. What is not listed changes nothing. */
const table: Readonly<Record<Step, Partial<Record<Cause, Step>>>> = {
  waiting: {
    'database-away': 'away',
    'database-available': 'reading',
    loaded: 'gathering',
    stopping: 'stopping',
  },
  away: {
    'database-away': 'away',
    'database-available': 'reading',
    loaded: 'gathering',
    stopping: 'stopping',
  },
  reading: { 'database-away': 'away', loaded: 'gathering', stopping: 'stopping' },
  gathering: { gathered: 'binding', stopping: 'stopping' },
  binding: { bound: 'checking', stopping: 'stopping' },
  checking: { checked: 'ready', stopping: 'stopping' },
  ready: { stopping: 'stopping' },
  stopping: {},
}

const steps = Object.keys(rules) as Step[]

function at(step: Step): Readiness {
  const readiness = new Readiness()
  for (const cause of ways[step]) tell(readiness, cause)
  return readiness
}

t.test('every cause leads from every step where the table says, and nowhere else', async (t) => {
  t.same(steps, Object.keys(table))
  for (const step of steps) {
    t.equal(at(step).step, step)
    for (const cause of causes) {
      const readiness = at(step)
      tell(readiness, cause)
      t.equal(readiness.step, table[step][cause] ?? step, `${cause} in ${step}`)
    }
  }
})

t.test('every cause moves readiness from some step', async (t) => {
  for (const cause of causes) {
    t.ok(
      steps.some((step) => table[step][cause] !== undefined),
      cause,
    )
  }
})

t.test('each step says what is missing, and DNS is served from the listeners to the stop', async (t) => {
  const first = { path: 'health', message: 'the first round of checks is not done' }
  const missing = (message: string) => [{ path: 'serving', message }, first]
  const said: Readonly<Record<Step, readonly object[]>> = {
    waiting: missing('the database has not answered yet'),
    away: missing(`the database is not available: ${reason}`),
    reading: missing('the configuration is being read'),
    gathering: missing('the hosts of members are being looked up, and other nodes asked'),
    binding: missing('the DNS listeners are starting'),
    checking: [first],
    ready: [],
    stopping: missing('the daemon is stopping'),
  }
  for (const step of steps) {
    t.same(at(step).missing, said[step], step)
    t.equal(at(step).serving, step === 'checking' || step === 'ready', step)
  }
})

t.test(
  'a database that comes and goes while the configuration is read is told with its last reason',
  async (t) => {
    const readiness = at('away')
    readiness.go('database-available')
    t.match(readiness.missing, [{ message: 'the configuration is being read' }, {}])
    readiness.go('database-away', 'timeout')
    t.match(readiness.missing, [{ message: 'the database is not available: timeout' }, {}])
  },
)
