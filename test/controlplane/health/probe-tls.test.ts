import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type ServerOptions } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import t from 'tap'
import { probe } from '../../../src/controlplane/health/probe.ts'
import { closedPort, serve, serveHttp, serveTcp, targetAt } from './fixture.ts'

const run = promisify(execFile)
const never = new AbortController().signal

interface Identity {
  readonly key: Buffer
  readonly cert: Buffer
}

/** Makes a self-signed certificate; each is its own authority. `validity` are arguments of `openssl ca`. */
async function certificate(
  folder: string,
  name: string,
  altNames: string,
  validity: string[],
): Promise<Identity> {
  const at = (file: string): string => join(folder, `${name}.${file}`)
  await writeFile(at('index'), '')
  await writeFile(
    at('cnf'),
    `[ca]
default_ca = self
[self]
database = ${at('index')}
new_certs_dir = ${folder}
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
[req]
distinguished_name = subject
[subject]
[extensions]
subjectAltName = ${altNames}
basicConstraints = critical,CA:TRUE
`,
  )
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', at('key')]
  await run('openssl', [
    'req',
    '-config',
    at('cnf'),
    '-new',
    ...key,
    '-out',
    at('csr'),
    '-subj',
    `/CN=${name}`,
  ])
  const sign = ['-selfsign', '-batch', '-notext', '-extensions', 'extensions', ...validity]
  await run('openssl', [
    'ca',
    '-config',
    at('cnf'),
    '-keyfile',
    at('key'),
    '-in',
    at('csr'),
    '-out',
    at('crt'),
    ...sign,
  ])
  return { key: await readFile(at('key')), cert: await readFile(at('crt')) }
}

const openssl = await run('openssl', ['version']).then(
  () => true,
  () => false,
)

t.test('TLS', { skip: openssl ? false : 'openssl, which makes the certificates, is not here' }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-tls-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const year = ['-days', '365']
  const named = await certificate(folder, 'named', 'DNS:www.example.test', year)
  const numbered = await certificate(folder, 'numbered', 'IP:127.0.0.1', year)
  const past = ['-startdate', '20200101000000Z', '-enddate', '20210101000000Z']
  const expired = await certificate(folder, 'expired', 'DNS:www.example.test', past)
  const stranger = await certificate(folder, 'stranger', 'DNS:www.example.test', year)
  const trusted = getCACertificates('default')
  setDefaultCACertificates([...trusted, named.cert, numbered.cert, expired.cert])
  t.teardown(() => setDefaultCACertificates(trusted))

  const names: (string | false | null)[] = []
  const start = (t: { teardown(fn: () => unknown): void }, options: ServerOptions): Promise<number> =>
    serve(
      t,
      createServer(options, (request, response) => {
        names.push((request.socket as TLSSocket).servername ?? null)
        response.end('ok')
      }),
    )
  const https = { type: 'https', host: 'www.example.test', expectBody: 'ok' } as const

  await t.test('a verified name, sent as SNI', async (t) => {
    const port = await start(t, named)
    t.match(await probe(targetAt(port, https), never), { ok: true })
    t.equal(names.pop(), 'www.example.test')
    t.match(await probe(targetAt(port, { ...https, host: `www.example.test:${port}` }), never), { ok: true })
    t.equal(names.pop(), 'www.example.test', 'a port in the Host header is no part of the name')
    const wrong = await probe(targetAt(port, { ...https, host: 'api.example.test' }), never)
    t.match(wrong, { ok: false, failure: 'tls', reason: /does not match certificate/ })
    const bare = await probe(targetAt(port, { ...https, host: null }), never)
    t.match(bare, { ok: false, failure: 'tls', reason: /does not match certificate/ })
  })

  await t.test('a bare address is verified as such and sends no SNI', async (t) => {
    const port = await start(t, numbered)
    t.match(await probe(targetAt(port, { ...https, host: null }), never), { ok: true })
    t.equal(names.pop(), false)
  })

  await t.test('certificates that are no good', async (t) => {
    const old = await probe(targetAt(await start(t, expired), https), never)
    t.match(old, { ok: false, failure: 'tls', reason: 'certificate has expired' })
    const unknown = await probe(targetAt(await start(t, stranger), https), never)
    t.match(unknown, { ok: false, failure: 'tls', reason: 'self-signed certificate' })
  })

  await t.test('a server that wants a client certificate', async (t) => {
    const port = await start(t, { ...named, requestCert: true, rejectUnauthorized: true })
    const verdict = await probe(targetAt(port, https), never)
    t.match(verdict, { ok: false })
    t.ok(!verdict.ok && ['tls', 'reset'].includes(verdict.failure), 'whichever reaches us first')
  })

  await t.test('peers that do not speak TLS', async (t) => {
    const plain = await serveTcp(t, (socket) => socket.write('220 mail.example.test ESMTP\r\n'))
    t.match(await probe(targetAt(plain, https), never), { failure: 'tls', reason: 'wrong version number' })
    const shut = await serveTcp(t, (socket) => socket.once('data', () => socket.destroy()))
    t.match(await probe(targetAt(shut, https), never), { failure: 'reset', reason: 'connection reset' })
    const mute = await serveTcp(t, (socket) => socket.resume())
    const late = await probe(targetAt(mute, { ...https, timeoutMs: 40 }), never)
    t.match(late, { failure: 'timeout', reason: 'timeout after 40 ms' })
    const nobody = await probe(targetAt(await closedPort(), https), never)
    t.match(nobody, { failure: 'connect', reason: 'connect ECONNREFUSED' })
  })

  await t.test('a redirect from http to https is verified too', async (t) => {
    for (const [identity, expected] of [
      [named, { ok: true }],
      [stranger, { ok: false, failure: 'tls' }],
    ] as const) {
      const secure = await start(t, identity)
      const port = await serveHttp(t, (_request, response) => {
        response.writeHead(301, { location: `https://www.example.test:${secure}/` }).end()
      })
      const monitor = { ...https, type: 'http', followRedirects: 1 } as const
      t.match(await probe(targetAt(port, monitor), never), expected)
    }
  })
})
