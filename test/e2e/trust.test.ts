/** Whom TLS trusts: the host's authorities, in whatever this process asks of others. */
import { execFile } from 'node:child_process'
import { createServer, type Server } from 'node:https'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import {
  certificate,
  certificateFolder,
  signedCertificate,
  withoutOpenssl,
} from '../controlplane/health/certificates.ts'
import { serve } from '../controlplane/health/fixture.ts'
import { main, node, repository, startDaemonProcess } from '../support/daemon.ts'
import { eventually, put } from './fixture.ts'

/** As on a host where nobody has told Node anything. */
const plain = { NODE_EXTRA_CA_CERTS: undefined, NODE_OPTIONS: undefined, SSL_CERT_DIR: undefined }

t.test('the host says whom to trust', { skip: withoutOpenssl }, async (t) => {
  const folder = await certificateFolder(t)
  await certificate(folder, 'house', 'DNS:house.test')
  await certificate(folder, 'elsewhere', 'DNS:elsewhere.test')
  const known = await signedCertificate(folder, 'known', 'DNS:www.example.test,IP:127.0.0.1', 'house')
  const foreign = await signedCertificate(folder, 'foreign', 'DNS:www.example.test,IP:127.0.0.1', 'elsewhere')
  const listen = (server: Server) => serve(t, server)
  const received: string[] = []
  const good = await listen(
    createServer(known, (request, response) => {
      if (request.method === 'POST') received.push(request.url!)
      response.end('{}')
    }),
  )
  const bad = await listen(createServer(foreign, (_request, response) => response.end()))

  const environment = { ...plain, SSL_CERT_FILE: join(folder, 'house.crt') }
  await using daemon = await startDaemonProcess({ env: environment })
  for (const [name, port] of [
    ['good', good],
    ['bad', bad],
  ] as const) {
    await put(daemon, `/v1/webhooks/${name}`, { url: `https://127.0.0.1:${port}/${name}` })
    const timing = { rise: 1, fall: 1, timeout: '20s', interval: '20s' }
    const monitor = { type: 'https', port, host: 'www.example.test', ...timing }
    await put(daemon, `/v1/monitors/${name}`, monitor)
    await put(daemon, `/v1/pools/${name}`, { monitor: name, members: { a: { address: '127.0.0.1' } } })
  }
  const status = async (path: string) =>
    ((await (await daemon.request(path)).json()) as { status: Record<string, unknown> }).status
  const settled = (pool: string) =>
    eventually(async () => {
      const found = await status(`/v1/pools/${pool}/members/a`)
      return found.state === 'unknown' ? undefined : found
    })

  t.match(await settled('good'), { state: 'up' }, 'probes')
  t.match(await settled('bad'), {
    state: 'down',
    reason: /unable to (?:verify the first|get local issuer) certificate/,
  })
  await eventually(async () => (received.includes('/good') ? true : undefined))
  t.pass('webhooks')
  const { lastError } = await eventually(async () => {
    const found = (await status('/v1/webhooks/bad')) as { lastError: { reason: string } | null }
    return found.lastError === null ? undefined : { lastError: found.lastError }
  })
  t.equal(lastError.reason, 'unable to verify the first certificate')

  const run = promisify(execFile)
  const command = (port: number) =>
    run(node, [main, 'token', 'list', '--server', `https://127.0.0.1:${port}`, '--json'], {
      env: { ...process.env, ...environment, POOLDNS_TOKEN: 'x'.repeat(24) } as NodeJS.ProcessEnv,
    }).then(
      () => '',
      ({ stderr }: { stderr: string }) => stderr,
    )
  t.notMatch(await command(good), /certificate/, 'the command line')
  const said = await command(bad)
  t.match(said, /unable to verify the first certificate/)
  t.notMatch(said, /Node|--use/)
})

t.test('a host without authorities goes by the list that Node brings', async (t) => {
  const program = `
    import { getCACertificates } from 'node:tls'
    import { trustSystemAuthorities } from '${join(repository, 'src/trust.ts')}'
    const system = getCACertificates('system').length
    trustSystemAuthorities()
    const count = (kind) => getCACertificates(kind).length
    console.log(JSON.stringify([system, count('default') === count('bundled'), count('bundled') > 50]))`
  const nothing = { ...plain, SSL_CERT_FILE: '/dev/null', SSL_CERT_DIR: '/dev/null' }
  const env = { ...process.env, ...nothing } as NodeJS.ProcessEnv
  const { stdout } = await promisify(execFile)(node, ['--input-type=module', '-e', program], { env })
  t.same(JSON.parse(stdout), [0, true, true])
})
