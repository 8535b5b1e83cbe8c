import t from 'tap'
import {
  type Bound,
  bindAll,
  formatListenAddress,
  type ListenAddress,
} from '../../../src/dataplane/listener/listener.ts'

/** Binds to anything but the hosts of `broken`, which fail with its codes. */
function binder(broken: Record<string, string>) {
  const open: string[] = []
  const bind = async ({ host, port }: ListenAddress): Promise<Bound<AsyncDisposable & { host: string }>> => {
    const code = broken[host]
    if (code !== undefined) throw Object.assign(new Error(`bind ${code} ${host}`), { code })
    open.push(host)
    const close = async () => {
      open.splice(open.indexOf(host), 1)
    }
    return { socket: { host, [Symbol.asyncDispose]: close }, port: port === 0 ? 4711 : port }
  }
  return { open, bind }
}

const wildcards = [
  { host: '0.0.0.0', port: 0 },
  { host: '::', port: 53 },
]

t.test('binds to all, with the ports that the system gave', async (t) => {
  const { open, bind } = binder({})
  t.match(await bindAll(wildcards, bind), {
    sockets: [{ host: '0.0.0.0' }, { host: '::' }],
    bound: [
      { host: '0.0.0.0', port: 4711 },
      { host: '::', port: 53 },
    ],
    skipped: [],
  })
  t.same(open, ['0.0.0.0', '::'])
})

t.test('a wildcard of a family that the host lacks is left out', async (t) => {
  for (const code of ['EAFNOSUPPORT', 'EADDRNOTAVAIL']) {
    const six = binder({ '::': code })
    t.match(await bindAll(wildcards, six.bind), {
      sockets: [{ host: '0.0.0.0' }],
      bound: [{ host: '0.0.0.0', port: 4711 }],
      skipped: [`[::]:53: bind ${code} ::`],
    })
    const four = binder({ '0.0.0.0': code })
    t.match(await bindAll(wildcards, four.bind), {
      sockets: [{ host: '::' }],
      skipped: [`0.0.0.0:0: bind ${code} 0.0.0.0`],
    })
  }
})

t.test('anything else fails the whole, and what was bound is closed', async (t) => {
  for (const [host, code] of [
    ['::', 'EADDRINUSE'],
    ['::', 'EACCES'],
    ['::1', 'EADDRNOTAVAIL'],
    ['192.0.2.1', 'EADDRNOTAVAIL'],
  ] as const) {
    const { open, bind } = binder({ [host]: code })
    const listen = [
      { host: '0.0.0.0', port: 0 },
      { host, port: 53 },
    ]
    await t.rejects(bindAll(listen, bind), { code, message: `bind ${code} ${host}` })
    t.same(open, [])
  }
})

t.test('an address of IPv6 stands in brackets before its port', async (t) => {
  t.equal(formatListenAddress({ host: '127.0.0.1', port: 53 }), '127.0.0.1:53')
  t.equal(formatListenAddress({ host: '::1', port: 0 }), '[::1]:0')
})
