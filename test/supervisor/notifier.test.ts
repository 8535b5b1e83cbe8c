import t from 'tap'
import { loadSyscalls } from '../../src/dataplane/listener/syscalls.ts'
import { Notifier } from '../../src/supervisor/notifier.ts'
import { listenForNotices } from '../support/notified.ts'

const syscalls = loadSyscalls()

for (const kind of ['path', 'abstract'] as const) {
  t.test(`by a socket with ${kind === 'path' ? 'a path' : 'an abstract name'}`, async (t) => {
    using notices = listenForNotices(kind)
    const environment = {
      NOTIFY_SOCKET: notices.name,
      WATCHDOG_USEC: '1000000',
      WATCHDOG_PID: '7',
      OTHER: '1',
    }
    using notifier = new Notifier(syscalls, environment, 7)
    t.same(environment, { OTHER: '1' }, 'nothing of it is for children')
    notifier.tell('RELOADING=1', 'MONOTONIC_USEC=5')
    for (const ms of [1000, 1499, 1500, 1501, 2000]) notifier.lives(ms)
    notifier.tell('READY=1')
    await notices.until(/^READY=1$/)
    t.same(notices.heard, [
      'RELOADING=1\nMONOTONIC_USEC=5',
      'WATCHDOG=1',
      'WATCHDOG=1',
      'WATCHDOG=1',
      'READY=1',
    ])
  })
}

t.test('the watchdog of another process is not ours, and a socket that is gone hurts nobody', async (t) => {
  const notices = listenForNotices('path')
  const environment = { NOTIFY_SOCKET: notices.name, WATCHDOG_USEC: '1000000', WATCHDOG_PID: '8' }
  using notifier = new Notifier(syscalls, environment, 7)
  notifier.lives()
  notifier.tell('READY=1')
  await notices.until(/READY/)
  t.same(notices.heard, ['READY=1'])
  notices[Symbol.dispose]()
  t.doesNotThrow(() => notifier.tell('STOPPING=1'))
})

t.test('what there is no room for is told later, the oldest left out', async (t) => {
  using notices = listenForNotices('path')
  using notifier = new Notifier(syscalls, { NOTIFY_SOCKET: notices.name }, 7)
  // Nobody reads in this turn of the event loop; a queue has 10 to 512 places.
  for (let n = 0; n < 2000; n++) notifier.tell(`STATUS=${n}`)
  t.notOk(notices.heard.includes('STATUS=1999'))
  await notices.until(/^STATUS=0$/)
  // It is asked again and again.
  const timer = setInterval(() => notifier.lives(), 20)
  t.teardown(() => clearInterval(timer))
  await notices.until(/^STATUS=1999$/)
})

t.test('without systemd nobody is told anything', async (t) => {
  using notifier = new Notifier(syscalls, { NOTIFY_SOCKET: '', WATCHDOG_USEC: '1000' }, 7)
  t.doesNotThrow(() => {
    notifier.tell('READY=1')
    notifier.lives()
  })
})

t.test('a name that is none is refused', async (t) => {
  for (const name of ['relative/path', 'vsock:2:1', `/${'x'.repeat(120)}`])
    t.throws(() => new Notifier(syscalls, { NOTIFY_SOCKET: name }, 7), {
      message: `NOTIFY_SOCKET: ${JSON.stringify(name)} is neither a path nor an abstract name of a socket`,
    })
})
