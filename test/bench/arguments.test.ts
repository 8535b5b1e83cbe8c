import t from 'tap'
import { parseBenchArguments } from './arguments.ts'
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
  t.ok(args.budgetSeconds < 120)
  t.same(parseBenchArguments(['--short', '--scenario', 'tcp', '--rounds', '1'])!.scenarios, ['tcp'])
})

t.test('choices', async (t) => {
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
