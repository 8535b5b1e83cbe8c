/** Every route of the API, sent fields that it does not know: a thousand, and more than any check counts. None is let through. */
import t from 'tap'
import { maxProblems } from '../../../src/controlplane/document/schema-check.ts'
import { adminToken, startHarness } from './fixture.ts'

type Operation = Readonly<Record<string, unknown>> & { readonly requestBody?: unknown }

t.test('unknown fields and parameters', async (t) => {
  await using api = await startHarness(null)
  const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }
  const { body: document } = await api.call('GET', '/openapi.json')
  const operations = Object.entries(document.paths as Record<string, Record<string, Operation>>).flatMap(
    ([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => {
        const url = path.replaceAll(/\{(name|apex|owner|type|member|pool)\}/g, (_, name) =>
          name === 'apex' || (name === 'name' && path.includes('/services/'))
            ? 'example.test'
            : name === 'type'
              ? 'A'
              : 'x',
        )
        return { method: method.toUpperCase(), url, takesBody: operation.requestBody !== undefined }
      }),
  )
  t.ok(operations.length > 30)
  const before = await api.call('GET', '/v1/audit')
  for (const count of [maxProblems, 70_000]) {
    const unknown = Object.fromEntries(Array.from({ length: count }, (_, nth) => [`z${nth.toString(36)}`, 1]))
    const text = JSON.stringify({ limit: 99_999_999, state: 'evil', weight: 'x', ...unknown })
    for (const { method, url, takesBody } of operations) {
      if (!takesBody || url.endsWith('/zonefile')) continue
      if (count > maxProblems && !/report|pools\/x$/.test(url)) continue
      const reply = await api.send(method, url, text, headers)
      t.ok(reply.status >= 400 && reply.status < 500, `${method} ${url}: ${reply.status} for ${count} fields`)
      t.ok((reply.body.errors ?? []).length <= maxProblems)
    }
  }
  // What fits a request line: 16 KiB of head. The history takes no parameters and minds none.
  const query = Array.from({ length: 1500 }, (_, nth) => `z${nth.toString(36)}`).join('&')
  for (const { method, url } of operations.filter(({ url }) => /^\/v1\/(?!history)/.test(url))) {
    const reply = await api.send(
      method,
      `${url}?limit=99999999&${query}`,
      method === 'GET' ? '' : '{}',
      headers,
    )
    t.ok(reply.status >= 400 && reply.status < 500, `${method} ${url}: ${reply.status} for parameters`)
  }
  t.same((await api.call('GET', '/v1/audit')).body, before.body, 'nothing was written')
  t.same(api.state.reports, [])
})
