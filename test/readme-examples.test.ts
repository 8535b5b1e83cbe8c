/**
 * The examples of README and pages that are not run in a shell: their documents are one configuration that is accepted as it stands, and
 * the receiver of webhooks believes what the server signs and nothing else.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'
import { kinds, parseConfiguration } from '../src/controlplane/document/configuration.ts'
import { parseIdentityProvider } from '../src/controlplane/document/identity-provider.ts'
import { signatureHeaders } from '../src/controlplane/events/webhooks/deliver.ts'
import type { Problem } from '../src/controlplane/model/errors.ts'
import { eventKinds } from '../src/controlplane/model/event.ts'
import { monitorTypes } from '../src/controlplane/model/monitor.ts'
import { poolSelects } from '../src/controlplane/model/pool.ts'
import { serviceSteers } from '../src/controlplane/model/service.ts'
import { pageBlocks, pages } from './support/pages.ts'

// Pages in folders below docs/ are about other systems.
const blocks = pageBlocks().filter(({ page }) => !/^docs\/.*\//.test(page))

t.test('the documents are one configuration', async (t) => {
  const whole: Record<string, Record<string, unknown>> = {}
  let documents = 0
  for (const { text, page, line } of blocks.filter(({ language }) => language === 'yaml')) {
    const block = parse(text) as Record<string, Record<string, unknown>>
    // Of Prometheus; see test/deploy.
    if ('scrape_configs' in block) continue
    // The file of the identity provider.
    if ('issuer' in block) {
      const problems: Problem[] = []
      parseIdentityProvider(block, problems)
      t.same(problems, [], `${page}, line ${line}`)
      continue
    }
    documents++
    for (const [kind, items] of Object.entries(block)) {
      t.ok(
        kinds.some((known) => known === kind),
        `${page}, line ${line}: ${kind}`,
      )
      for (const name of Object.keys(items))
        t.notOk(name in (whole[kind] ?? {}), `${kind} ${name} is there once`)
      whole[kind] = { ...whole[kind], ...items }
    }
  }
  t.ok(documents >= 3)
  const result = parseConfiguration(whole)
  t.same(result.ok ? [] : result.problems, [])
})

t.test('every type of monitor, every policy and every kind of event is there', async (t) => {
  const all = [...pages.values()].join('\n')
  for (const word of [...monitorTypes, ...poolSelects, ...serviceSteers, ...eventKinds]) {
    t.match(all, new RegExp(`^\\|[^|]*\`${word}\``, 'm'), word)
  }
})

t.test('the receiver of webhooks', async (t) => {
  const example = blocks.find(({ language }) => language === 'js')!
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-receiver-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'receiver.mjs')
  await writeFile(file, example.text)
  const { isGenuine } = (await import(pathToFileURL(file).href)) as {
    isGenuine: (secret: string, headers: Record<string, string>, body: string) => boolean
  }
  const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`
  const body = '{"kind":"member"}'
  const signed = (at: Date) => signatureHeaders(secret, 'msg_1', at, body)
  const headers = signed(new Date())
  t.equal(isGenuine(secret, headers, body), true)
  t.equal(isGenuine(secret, headers, `${body} `), false)
  t.equal(isGenuine(`whsec_${Buffer.alloc(24, 8).toString('base64')}`, headers, body), false)
  t.equal(isGenuine(secret, signed(new Date(Date.now() - 600_000)), body), false, 'an old one')
  t.equal(isGenuine(secret, {}, body), false, 'no headers at all')
})
