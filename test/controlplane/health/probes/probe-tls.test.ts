import { copyFile } from 'node:fs/promises'
import { createServer, type ServerOptions } from 'node:https'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates, type TLSSocket } from 'node:tls'
import t from 'tap'
import { addressPolicy } from '../../../../src/controlplane/health/probes/address-policy.ts'
import { createProber, probe } from '../../../../src/controlplane/health/probes/probe.ts'
import { parsePrefix } from '../../../../src/dataplane/wire/prefix.ts'
import { tlsDefaults } from '../../model/defaults.ts'
import {
  certificate,
  certificateFolder,
  opensslTime,
  signedCertificate,
  withoutOpenssl,
} from '../certificates.ts'
import { closedPort, containing, serve, serveHttp, serveTcp, targetAt } from '../fixture.ts'

const never = new AbortController().signal

t.test(
  'over TLS the certificate must be good now, be of the name, and be vouched for',
  { skip: withoutOpenssl },
  async (t) => {
    const folder = await certificateFolder(t)
    const named = await certificate(folder, 'named', 'DNS:www.example.test')
    const numbered = await certificate(folder, 'numbered', 'IP:127.0.0.1')
    const past = ['-startdate', '20200101000000Z', '-enddate', '20210101000000Z']
    const expired = await certificate(folder, 'expired', 'DNS:www.example.test', past)
    const day = 86_400_000
    const soon = ['-startdate', '20200101000000Z', '-enddate', opensslTime(new Date(Date.now() + 3.5 * day))]
    const ending = await certificate(folder, 'ending', 'DNS:www.example.test', soon)
    const next = opensslTime(new Date(Date.now() + day))
    const later = ['-startdate', next, '-enddate', '20990101000000Z']
    const future = await certificate(folder, 'future', 'DNS:www.example.test', later)
    const stranger = await certificate(folder, 'stranger', 'DNS:www.example.test')
    const trusted = getCACertificates('default')
    setDefaultCACertificates([...trusted, named.cert, numbered.cert, expired.cert, ending.cert, future.cert])
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
    const https = { type: 'https', host: 'www.example.test', expectBody: containing('ok') } as const

    await t.test('a verified name, sent as SNI', async (t) => {
      const port = await start(t, named)
      t.match(await probe(targetAt(port, https), never), { ok: true })
      t.equal(names.pop(), 'www.example.test')
      t.match(await probe(targetAt(port, { ...https, host: `www.example.test:${port}` }), never), {
        ok: true,
      })
      t.equal(names.pop(), 'www.example.test', 'a port in the Host header is no part of the name')
      const wrong = await probe(targetAt(port, { ...https, host: 'api.example.test' }), never)
      t.match(wrong, { ok: false, failure: 'tls', reason: /does not match certificate/ })
      const bare = await probe(targetAt(port, { ...https, host: null }), never)
      t.match(bare, { ok: false, failure: 'tls', reason: /does not match certificate/ })
    })

    await t.test('who is trusted is trusted, whoever vouches for it', async (t) => {
      const above = { type: 'https', host: 'www.example.test', timeoutMs: 20_000 } as const
      const leaf = await signedCertificate(folder, 'leaf', 'DNS:www.example.test', 'stranger')
      const port = await start(t, leaf)
      const trusting = (ca: Buffer | null) =>
        probe(targetAt(port, { ...above, tls: { ...tlsDefaults, ca: ca?.toString() ?? null } }), never)
      t.match(await trusting(leaf.cert), { ok: true }, 'the certificate itself, and not its authority')
      t.match(await trusting(stranger.cert), { ok: true })
      t.match(await trusting(named.cert), { failure: 'tls' })
      t.match(await trusting(null), { failure: 'tls' })
    })

    await t.test('one host, however it is written', async (t) => {
      const hosts: (string | undefined)[] = []
      const server = createServer(named, ({ socket, headers }, response) => {
        names.push((socket as TLSSocket).servername ?? null)
        hosts.push(headers.host)
        response.end('ok')
      })
      const port = await serve(t, server)
      for (const host of ['www.example.test.', 'WWW.Example.TEST', `www.example.test.:${port}`]) {
        t.match(await probe(targetAt(port, { ...https, host }), never), { ok: true }, host)
        t.equal(names.pop(), 'www.example.test', 'by SNI')
        t.equal(hosts.pop(), host, 'in the Host header')
      }
    })

    await t.test('a bare address is verified as such and sends no SNI', async (t) => {
      const port = await start(t, numbered)
      t.match(await probe(targetAt(port, { ...https, host: null }), never), { ok: true })
      t.equal(names.pop(), false)
      for (const host of ['127.0.0.1', `127.0.0.1:${port}`, '127.1']) {
        t.match(await probe(targetAt(port, { ...https, host }), never), { ok: true }, host)
        t.equal(names.pop(), false, host)
      }
    })

    await t.test('certificates that are no good', async (t) => {
      const old = await probe(targetAt(await start(t, expired), https), never)
      t.match(old, { ok: false, failure: 'tls', reason: 'certificate has expired' })
      const early = await probe(targetAt(await start(t, future), https), never)
      t.match(early, { ok: false, failure: 'tls', reason: 'certificate is not yet valid' })
      const unknown = await probe(targetAt(await start(t, stranger), https), never)
      t.match(unknown, { ok: false, failure: 'tls', reason: 'self-signed certificate' })
    })

    await t.test('a certificate that ends too soon', async (t) => {
      const port = await start(t, ending)
      const wanting = (minDaysLeft: number) =>
        probe(
          targetAt(port, { ...https, tls: { ...tlsDefaults, minDaysLeft, endingFails: 'always' } }),
          never,
        )
      t.match(await wanting(0), { ok: true })
      t.match(await wanting(3), { ok: true })
      t.match(await wanting(14), { failure: 'tls', reason: 'certificate ends in 3 days, 14 wanted' })
    })

    await t.test('a name of its own for SNI and the certificate', async (t) => {
      const port = await start(t, named)
      const tls = { ...tlsDefaults, serverName: 'www.example.test' }
      names.length = 0
      t.match(await probe(targetAt(port, { ...https, host: 'other.example.test', tls }), never), { ok: true })
      t.same(names, ['www.example.test'])
      const wrong = { ...tlsDefaults, serverName: 'api.example.test' }
      const verdict = await probe(targetAt(port, { ...https, tls: wrong }), never)
      t.match(verdict, { failure: 'tls', reason: /does not match certificate/ })
    })

    await t.test('an authority of its own', async (t) => {
      const port = await start(t, stranger)
      const tls = { ...tlsDefaults, ca: stranger.cert.toString() }
      t.match(await probe(targetAt(port, { ...https, tls }), never), { ok: true })
      const known = await start(t, named)
      t.match(
        await probe(targetAt(known, { ...https, tls }), never),
        { failure: 'tls', reason: 'self-signed certificate' },
        'the system does not count then',
      )
      const garbage = { ...tlsDefaults, ca: '-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n' }
      t.match(await probe(targetAt(port, { ...https, tls: garbage }), never), { failure: 'tls' })
    })

    await t.test('a client certificate', async (t) => {
      const client = await certificate(folder, 'client', 'DNS:probe.example.test')
      const port = await start(t, { ...named, requestCert: true, rejectUnauthorized: true, ca: client.cert })
      const knowing = (directory: string | null) =>
        createProber({ policy: addressPolicy([parsePrefix('127.0.0.0/8')!]), certificates: directory })
      const presenting = (name: string, prober = knowing(folder)) =>
        prober(targetAt(port, { ...https, tls: { ...tlsDefaults, clientCertificate: name } }), never)
      t.match(await presenting('client'), { ok: true })
      const stranger = await presenting('stranger')
      t.ok(!stranger.ok && ['tls', 'reset'].includes(stranger.failure), 'one that the server does not trust')
      t.match(await presenting('missing'), {
        failure: 'tls',
        reason: "client certificate missing (missing.crt, missing.key) can't be read: ENOENT",
      })
      t.match(await presenting('../client'), { failure: 'tls', reason: /has no such name/ })
      t.match(await presenting('client', knowing(null)), { failure: 'tls', reason: /no directory/ })
      await copyFile(join(folder, 'client.crt'), join(folder, 'mixed.crt'))
      await copyFile(join(folder, 'named.key'), join(folder, 'mixed.key'))
      t.match(await presenting('mixed'), {
        failure: 'tls',
        reason: /^client certificate mixed can't be used: .*mismatch/,
      })
    })

    await t.test('a client certificate is for the host that the monitor names', async (t) => {
      const seen: boolean[] = []
      const options = { ...named, requestCert: true, rejectUnauthorized: false }
      const asked = createServer(options, ({ socket }, response) => {
        seen.push(Object.keys((socket as TLSSocket).getPeerCertificate()).length > 0)
        response.end('ok')
      })
      const elsewhere = await serve(t, asked)
      const prober = createProber({
        policy: addressPolicy([parsePrefix('127.0.0.0/8')!]),
        certificates: folder,
        resolve: async () => ['127.0.0.1'],
      })
      for (const host of ['www.example.test', 'other.example.test']) {
        const port = await serveHttp(t, (_request, response) => {
          response.writeHead(302, { location: `https://www.example.test:${elsewhere}/` }).end()
        })
        const tls = { ...tlsDefaults, clientCertificate: 'named' }
        const monitor = { ...https, type: 'http', host, followRedirects: 1, tls } as const
        t.match(await prober(targetAt(port, monitor), never), { ok: true })
      }
      t.same(seen, [true, false])
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
  },
)
