/** Imports beyond the places that there are wait for one, over real sockets. */
import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { defaultHttpLimits } from '../../../../src/controlplane/api/admission/limits.ts'
import { createToken } from '../../../../src/controlplane/store/tokens.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { startHarness } from '../fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const zone = '@ 300 SOA ns.example.net. h 1 1h 10m 14d 60\n@ NS ns.example.net.\n'

interface Import {
  readonly sent: ClientRequest
  readonly reply: Promise<{ readonly status: number | undefined; readonly body: string }>
}

/** An import whose body the server has asked for and not been sent. */
async function begin(origin: string, apex: string, token: string): Promise<Import> {
  const sent = request(`${origin}/v1/zones/${apex}/zonefile`, {
    method: 'PUT',
    agent: false,
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'text/dns',
      'content-length': Buffer.byteLength(zone),
      expect: '100-continue',
    },
  })
  const reply = once(sent, 'response').then(async ([response]: IncomingMessage[]) => ({
    status: response!.statusCode,
    body: await text(response!),
  }))
  const asked = once(sent, 'continue')
  sent.flushHeaders()
  await asked
  return { sent, reply }
}

t.test('an import beyond its place waits for it', async (t) => {
  const imports = { ...defaultHttpLimits.imports, places: 1, byHolder: 1, keptForWriters: 0, keptForAdmin: 0 }
  await using harness = await startHarness(await postgres.createDatabase(), { httpLimits: { imports } })
  const writer = await harness.database.record((tx) => createToken(tx, 'writer', ['read', 'write']))
  const begun = [
    await begin(harness.origin, 'one.test', writer),
    await begin(harness.origin, 'two.test', writer),
    await begin(harness.origin, 'three.test', writer),
  ]
  for (const { sent } of begun) sent.end(zone)
  const replies = await Promise.all(begun.map(({ reply }) => reply))
  t.same(
    replies.map(({ status }) => status),
    [201, 201, 201],
    replies.map(({ body }) => body).join('\n'),
  )
})
