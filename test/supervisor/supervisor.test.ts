/** The states of the supervisor: each line of the table in `supervisor.ts`, and any order of events. */
import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { ownTime, World } from './world.ts'

ownTime(t)

const living = (world: World) => [
  world.controls.filter(({ over }) => !over).length,
  world.data.filter(({ over }) => !over).length,
]

/** One control plane and one data plane are there, and know each other. */
function isWhole(t: Test, world: World, message = 'all are there'): void {
  t.same(living(world), [1, 1], message)
  const control = world.controls.find(({ over }) => !over)
  t.ok(control?.isReady, message)
  t.equal(control?.linked.at(-1), world.data.length, message)
}

t.test('starting', async (t) => {
  await t.test('ends by itself: the server ends with its exit code', async (t) => {
    for (const words of [0, 1, 2, 3]) {
      const world = new World()
      for (let word = 0; word < words; word++) world.controls[0]!.goOn()
      world.controls[0]!.end(2)
      await world.settle()
      t.equal(world.exitCode, 2, `after ${words} words`)
      t.equal(world.controls.length, 1)
      t.same(world.all, [])
    }
  })

  await t.test('is killed before the sockets are open: the server ends', async (t) => {
    const world = new World()
    for (let word = 0; word < 2; word++) world.controls[0]!.goOn()
    world.controls[0]!.end(null, 'SIGKILL')
    await world.settle()
    t.equal(world.exitCode, 1)
  })

  await t.test('is killed after that: it is started again', async (t) => {
    const world = new World()
    for (let word = 0; word < 3; word++) world.controls[0]!.goOn()
    world.controls[0]!.end(null, 'SIGKILL')
    await world.rest()
    t.equal(world.exitCode, null)
    t.equal(world.controls.length, 2)
    isWhole(t, world)
  })

  await t.test('DNS is answered: it is started again whatever ends it, and can be replaced', async (t) => {
    const world = new World()
    const [first] = world.controls
    for (let word = 0; word < 3; word++) first!.goOn()
    world.data[0]!.goOn()
    first!.goOn()
    t.ok(!first!.isReady)
    world.replace()
    t.equal(world.controls.length, 2, 'the next one is prepared')
    first!.end(1)
    await world.rest()
    t.equal(world.exitCode, null)
    isWhole(t, world)
    t.same(world.outcomes, [{ replaced: true }])
    t.same(world.notices, ['READY=1', 'READY=1'], 'it is, and the replacement is over')
    t.equal(world.ready, 1)
  })
})

t.test('running', async (t) => {
  await t.test('ends by itself: it is started again, and the data plane stays', async (t) => {
    const world = await new World().running()
    t.same(world.notices, ['READY=1'])
    world.controls[0]!.end(0)
    await world.settle()
    isWhole(t, world)
    t.equal(world.data.length, 1)
    t.match(world.controls[1]!.told, [
      { kind: 'prepare' },
      { kind: 'restarts' },
      { kind: 'begin', isAnswering: true },
    ])
  })

  await t.test('dies again and again: after pauses', async (t) => {
    const world = await new World().running()
    for (let death = 0; death < 6; death++) {
      world.controls.at(-1)!.end(1)
      mock.timers.tick(5000)
    }
    t.equal(world.controls.length, 7)
    world.controls.at(-1)!.end(1)
    mock.timers.tick(4999)
    t.equal(world.controls.length, 7)
    mock.timers.tick(1)
    t.equal(world.controls.length, 8)
    await world.rest()
    isWhole(t, world)
  })

  await t.test('the data plane dies: it is started again, and linked', async (t) => {
    const world = await new World().running()
    world.data[0]!.end(null, 'SIGKILL')
    await world.settle()
    isWhole(t, world)
    t.equal(world.controls.length, 1)
  })

  await t.test('replace: preparing, replacing, running', async (t) => {
    const world = await new World().running()
    world.replace()
    const [first, second] = world.controls
    t.notOk(first!.wasTold('stop'))
    second!.goOn()
    t.match(first!.told.at(-1), { kind: 'stop', keepsAnswering: true })
    t.notOk(second!.wasTold('begin'), 'two can not have one data directory')
    first!.goOn()
    t.ok(second!.wasTold('begin'))
    await world.settle()
    isWhole(t, world)
    t.same(world.outcomes, [{ replaced: true }])
    t.same(world.notices, ['READY=1', 'RELOADING=1', 'READY=1'])
    t.same(world.data[0]!.told.at(-1), { kind: 'stop', passes: true })
  })
})

t.test('replace: what does not end when it is told to is killed, and the log says so', async (t) => {
  const world = await new World().running()
  world.replace()
  const [first, second] = world.controls
  second!.goOn()
  mock.timers.tick(9999)
  t.notOk(first!.isKilled)
  mock.timers.tick(1)
  t.ok(first!.isKilled)
  t.match(world.lines.at(-1), { level: 'error', msg: /control plane .* took too long to end/ })
  await world.settle()
  isWhole(t, world)
  t.same(world.outcomes, [{ replaced: true }])
})

t.test('preparing', async (t) => {
  await t.test('the next one ends: running, and nothing has changed', async (t) => {
    const world = await new World().running()
    world.replace()
    world.controls[1]!.emit('message', { kind: 'failed', message: 'a bad word' })
    world.controls[1]!.end(2)
    await world.settle()
    t.match(world.outcomes, [{ replaced: false, reason: /exit code 2.*a bad word/ }])
    t.ok(world.controls[0]!.isReady)
    t.same(living(world), [1, 1])
  })

  await t.test('ends by itself: the next one begins as soon as it can', async (t) => {
    const world = await new World().running()
    world.replace()
    world.controls[0]!.end(1)
    t.notOk(world.controls[1]!.wasTold('begin'))
    await world.settle()
    isWhole(t, world)
    t.equal(world.controls.length, 2)
    t.same(world.outcomes, [{ replaced: true }])
  })

  await t.test('both end: another one is started', async (t) => {
    const world = await new World().running()
    world.replace()
    for (const control of world.controls) control.end(1)
    await world.rest()
    isWhole(t, world)
    t.match(world.outcomes, [{ replaced: false }])
  })
})

t.test('replacing', async (t) => {
  await t.test('the next one ends: another one takes its place', async (t) => {
    const world = await new World().running()
    world.replace()
    world.controls[1]!.goOn()
    world.controls[1]!.end(1)
    await world.rest()
    isWhole(t, world)
    t.match(world.outcomes, [{ replaced: false }])
  })
})

t.test('stop, in any state: when all have ended, the server does', async (t) => {
  const states: Readonly<Record<string, (world: World) => void>> = {
    running: () => undefined,
    preparing: (world) => world.replace(),
    replacing: (world) => {
      world.replace()
      world.controls[1]!.goOn()
    },
    'with nobody there': (world) => world.controls[0]!.end(1),
    'with no data plane': (world) => world.data[0]!.end(1),
  }
  for (const [state, bring] of Object.entries(states)) {
    const world = await new World().running()
    bring(world)
    world.supervisor.stop()
    await world.rest()
    t.equal(world.exitCode, 0, state)
    t.same(world.all, [])
    t.equal(world.notices.at(-1), 'STOPPING=1')
    t.equal(world.outcomes.length, world.asked)
  }
  const early = new World()
  early.supervisor.stop()
  await early.rest()
  t.type(early.exitCode, 'number')
})

t.test('one that does not end in time is killed', async (t) => {
  const world = await new World().running()
  world.supervisor.stop()
  world.data[0]!.emit('message', { kind: 'gave' })
  mock.timers.tick(10_000)
  t.ok(world.controls[0]!.isKilled && world.data[0]!.isKilled)
  await world.settle()
  t.equal(world.exitCode, 1)
})

t.test('processes of different versions are not linked', async (t) => {
  await t.test('a later control plane: the data plane is replaced', async (t) => {
    const world = await new World().running()
    world.version = '2.0.0'
    world.controls[0]!.end(1)
    await world.settle()
    isWhole(t, world)
    t.same(world.controls[1]!.linked, [2])
    t.same(world.data[0]!.told.at(-1), { kind: 'stop', passes: true })
  })

  await t.test('a later data plane: the control plane is replaced', async (t) => {
    const world = await new World().running()
    world.version = '2.0.0'
    world.data[0]!.end(1)
    await world.rest()
    isWhole(t, world)
    t.equal(world.controls.at(-1)!.version, '2.0.0')
    t.notOk(world.controls[0]!.linked.includes(2))
  })

  await t.test('where the control plane can not be replaced they are linked all the same', async (t) => {
    const world = await new World().running()
    world.version = '2.0.0'
    world.data[0]!.end(1)
    await new Promise((resolve) => setImmediate(resolve))
    mock.timers.tick(0)
    world.data[1]!.goOn()
    world.controls[1]!.end(2)
    await world.settle()
    t.same(world.controls[0]!.linked, [1, 2])
  })
})

/** Numbers from a seed, so that what fails can be run again. */
function numbers(seed: number) {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** One of what may happen, to whom it may happen. */
async function happen(world: World, next: (below: number) => number): Promise<void> {
  const { all } = world
  const one = all[next(all.length)]
  const what = next(20)
  if (what === 0) world.replace()
  else if (what === 1) mock.timers.tick(next(2) * 6000)
  else if (what === 2) one?.end(null, 'SIGKILL')
  else if (what === 3) one?.end(next(3))
  else if (what === 4) await new Promise((resolve) => setImmediate(resolve))
  else if (what === 5) mock.timers.tick(0)
  else one?.goOn()
}

t.test(
  'whatever happens in whatever order, it comes to rest with all there, or ends when told',
  async (t) => {
    ownTime(t)
    for (let seed = 1; seed <= 60; seed++) {
      const next = numbers(seed)
      const world = await new World().running()
      let most = 0
      for (let step = 0; step < 60; step++) {
        await happen(world, next)
        most = Math.max(most, world.controls.filter(({ hasBegun }) => hasBegun).length)
      }
      const where = `seed ${seed}`
      if (most > 1) t.fail(`${where}: ${most} have the data directory`)
      await world.rest()
      if (world.exitCode !== null) t.fail(`${where}: it ended`)
      await world.rest()
      isWhole(t, world, where)
      t.equal(world.outcomes.length, world.asked, where)
      world.supervisor.stop()
      await world.rest()
      t.equal(world.exitCode, 0, where)
      t.same(world.all, [], where)
      t.equal(world.notices.indexOf('STOPPING=1'), world.notices.length - 1, where)
    }
  },
)
