import t from 'tap'
import { parseBenchArguments, parseSoakArguments } from './arguments.ts'
import { scenarioNames } from './scenarios.ts'

t.test('what stands when nothing is said', async (t) => {
  const args = parseBenchArguments([])!
  t.same(args.scenarios, scenarioNames)
  t.match(args, { rounds: 3, seconds: 3, out: 'bench-results' })
  t.equal(args.peers, undefined, 'all peers')
})

t.test('the short run', async (t) => {
  const args = parseBenchArguments(['--short'])!
  t.same(args.scenarios, ['hit', 'miss', 'lb', 'mixed'])
  t.same(args.peers, ['gdnsd'])
  t.equal(args.limitSeconds, 120)
  t.ok(args.budgetSeconds < args.limitSeconds)
  t.same(parseBenchArguments(['--short', '--scenario', 'tcp', '--rounds', '1'])!.scenarios, ['tcp'])
})

t.test('every choice on the command line is taken', async (t) => {
  const args = parseBenchArguments([
    '--scenario',
    'lb,tail',
    '--seconds',
    '2.5',
    '--peers',
    'nsd,knot',
    '--out',
    'x',
  ])!
  t.match(args, { scenarios: ['lb', 'tail'], seconds: 2.5, peers: ['nsd', 'knot'], out: 'x' })
  t.equal(parseBenchArguments(['--help']), null)
})

t.test('mistakes are named', async (t) => {
  t.throws(() => parseBenchArguments(['--scenario', 'hit,hut']), /--scenario hut: not one of hit, /)
  t.throws(() => parseBenchArguments(['--rounds', '0']), /--rounds 0: not a number from 1 to 100/)
  t.throws(() => parseBenchArguments(['--rounds', '']), /--rounds : not a number/)
  t.throws(() => parseBenchArguments(['--seconds', 'x']), /--seconds x/)
  t.throws(() => parseBenchArguments(['--nonsense']), /--nonsense/)
  t.throws(() => parseBenchArguments(['--peers', 'gdsnd']), /--peers gdsnd: not one of gdnsd, /)
})

t.test('the soak run', async (t) => {
  t.same(parseSoakArguments([]), { minutes: 10, rate: 20_000, backend: 'batch' })
  t.same(parseSoakArguments(['--minutes', '60', '--rate', '5000', '--backend', 'dgram']), {
    minutes: 60,
    rate: 5000,
    backend: 'dgram',
  })
  t.equal(parseSoakArguments(['--help']), null)
  t.throws(() => parseSoakArguments(['--minutes', '0']), /--minutes 0: not a number from 0.1/)
  t.throws(() => parseSoakArguments(['--backend', 'auto']), /--backend auto: not one of batch, dgram/)
})
