import t from 'tap'
import { Progress } from '../../../src/controlplane/serve/progress.ts'
import { patience } from '../../support/patience.ts'

const mark = (revision: number) => ({ revision, stamp: `s${revision}` })
const changed = (revision: number) => ({ from: revision, to: revision, lost: false })

/** Says when a write is served. */
function follow(progress: Progress, revision: number) {
  const write = { served: false, reached: progress.reached(revision, patience()) }
  void write.reached.then(() => {
    write.served = true
  })
  return write
}

t.test('nothing is served before the first settings', async (t) => {
  const progress = new Progress()
  t.same([progress.revision, progress.settings.revision], [-1, -1])
  const write = follow(progress, 0)
  progress.reachSettings(mark(0))
  await write.reached
  t.same(progress.whole, mark(0))
})

t.test('a write of settings waits for settings, a write of a zone for its zone', async (t) => {
  const progress = new Progress()
  progress.reachSettings(mark(4))
  progress.fallBehind('large.test', changed(5))
  const imported = follow(progress, 5)
  progress.reachSettings(mark(5))
  const drained = follow(progress, 6)
  progress.reachSettings(mark(6))
  await drained.reached
  t.notOk(imported.served)
  t.same(progress.whole, mark(4), 'served whole is what was before the zone changed')
  progress.catchUp(['large.test'], 5)
  await imported.reached
  t.equal(progress.revision, 6)
})

t.test('a zone that changes while it is compiled is behind until its next image', async (t) => {
  const progress = new Progress()
  progress.reachSettings(mark(1))
  for (const revision of [2, 3]) {
    progress.fallBehind('example.test', changed(revision))
    progress.reachSettings(mark(revision))
  }
  const [first, second] = [follow(progress, 2), follow(progress, 3)]
  progress.catchUp(['example.test'], 2)
  await first.reached
  t.notOk(second.served)
  t.equal(progress.revision, 2)
  progress.catchUp(['example.test', 'other.test'], 3)
  await second.reached
})

t.test('what was read from the start may have changed by any revision before', async (t) => {
  const progress = new Progress()
  progress.reachSettings(mark(1))
  progress.startOver(['example.test'], 9)
  progress.reachSettings(mark(9))
  const write = follow(progress, 5)
  t.equal(progress.revision, 1)
  t.equal(progress.whole, null, 'no revision of which every image is there')
  t.notOk(write.served)
  progress.catchUp(['example.test'], 9)
  await write.reached
  t.same(progress.whole, mark(9))
})

t.test('nothing waits for revisions that a restored database has forgotten', async (t) => {
  const progress = new Progress()
  progress.reachSettings(mark(7))
  for (const apex of ['example.test', 'never-served.test']) progress.fallBehind(apex, changed(8))
  progress.reachSettings(mark(8))
  progress.startOver(['example.test'], 5)
  progress.reachSettings(mark(5))
  const write = follow(progress, 8)
  progress.catchUp(['example.test', 'never-served.test'], 5)
  t.same(progress.whole, mark(5))
  progress.reachSettings(mark(8))
  await write.reached
  t.equal(progress.revision, 8)
})

t.test('a zone that was behind holds back what is served whole when everything is read again', async (t) => {
  const progress = new Progress()
  progress.reachSettings(mark(3))
  progress.fallBehind('example.test', changed(4))
  progress.reachSettings(mark(4))
  progress.startOver(['example.test'], 9)
  progress.reachSettings(mark(9))
  t.equal(progress.revision, 3)
})

t.test('a zone that is compiled anew keeps no write waiting', async (t) => {
  const progress = new Progress()
  progress.reachSettings(mark(7))
  progress.fallBehind('example.test', { from: 8, to: 7, lost: true })
  await progress.reached(7, patience())
  t.equal(progress.revision, 7)
  t.equal(progress.whole, null)
})

t.test('who waits no longer is let go', async (t) => {
  const progress = new Progress()
  const controller = new AbortController()
  const waiting = progress.reached(3, controller.signal)
  controller.abort(new Error('enough'))
  await t.rejects(waiting, { message: 'enough' })
  await t.rejects(progress.reached(3, controller.signal), { message: 'enough' })
})
