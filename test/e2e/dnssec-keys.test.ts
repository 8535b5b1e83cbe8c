/**
 * A private key comes in and goes out, and is nowhere else in the clear: not in what the API and the commands say, in errors, in the log, in
 * files, nor in what the threads of the server say to each other, those that read packets among them.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { hearingOption } from '../support/heard-messages.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { findProgram, missingPrograms } from '../support/program.ts'
import { type Signed, signed } from './dnssec-fixture.ts'
import { eventually, put, soa } from './fixture.ts'
import { apex, pooldns, says } from './validators.ts'

const skip = missingPrograms('delv')

/** How octets may be spelled: as they are (so in PKCS 8 too), in both cases of hex, as numbers, and in base64 wherever they begin in it. */
function spellings(octets: Buffer): Buffer[] {
  const hex = octets.toString('hex')
  const base64 = [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), octets]).toString('base64')
    // Digits that the octets share with what is before and behind.
    return text.slice(Math.ceil((8 * before) / 6), Math.floor((8 * (before + octets.length)) / 6))
  })
  const url = base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'))
  const texts = [hex, hex.toUpperCase(), octets.join(','), octets.join(', '), ...base64, ...url]
  return [octets, ...texts.map((text) => Buffer.from(text))]
}

async function exported(t: Test, { daemon, folder }: Signed) {
  const path = (await pooldns(daemon, 'dnssec', 'export-key', apex, '-o', folder)).trim()
  const [key, secret] = await Promise.all([
    readFile(`${path}.key`, 'utf8'),
    readFile(`${path}.private`, 'utf8'),
  ])
  const octets = Buffer.from(/PrivateKey: (\S+)/.exec(secret)![1]!, 'base64')
  t.equal(octets.length, 32)
  if (findProgram('dnssec-dsfromkey') !== null) {
    const bind = await says('dnssec-dsfromkey', '-2', `${path}.key`)
    const ours = await pooldns(daemon, 'dnssec', 'ds', apex)
    t.equal(bind.text.trim().split(' DS ')[1], ours.trim().split(' DS ')[1], 'BIND makes the same DS of it')
  }
  return { path, key, secret, octets, public: Buffer.from(key.trim().split(' ').at(-1)!, 'base64') }
}

t.test('a private key is nowhere in the clear', { skip }, async (t) => {
  const heard = await temporaryDataFolder('pooldns-heard-')
  await mkdir(heard, { recursive: true })
  const zone = await signed(t, 15, {}, [hearingOption(heard)])
  const { daemon, folder } = zone
  await put(daemon, '/v1/pools/p', { select: 'weighted', members: { a: { address: '192.0.2.21' } } })
  await put(daemon, `/v1/services/served.${apex}`, { pools: ['p'], ttl: 20 })
  const moved = await exported(t, zone)
  const forms = spellings(moved.octets)
  const holds = (where: string, content: Buffer | string) => {
    const octets = Buffer.from(content)
    if (forms.some((form) => octets.includes(form))) t.fail(`${where} has the key`)
  }

  await put(daemon, '/v1/zones/moved.test', { soa })
  const errors: (readonly [key: string, secret: string, says: RegExp])[] = [
    [moved.key, moved.secret, /it is a key of example\.test\. and not of moved\.test\./],
    [moved.key.replaceAll(apex, 'moved.test'), moved.secret.replace('15 (ED25519)', '13 (X)'), /./],
    [moved.key.replaceAll(apex, 'moved.test'), moved.secret.replace('PrivateKey:', 'Private:'), /./],
    [moved.secret, moved.secret, /./],
    [moved.key, moved.key, /./],
  ]
  for (const [key, secret, said] of errors) {
    const response = await daemon.request('/v1/zones/moved.test/dnssec/import-key', {
      method: 'POST',
      json: { key, private: secret },
    })
    const text = await response.text()
    t.equal(response.status, 400, text)
    t.match(text, said)
    holds('an error', text)
  }
  await daemon.request(`/v1/zones/${apex}/dnssec?force=true`, { method: 'DELETE' })
  await pooldns(daemon, 'dnssec', 'import-key', apex, moved.path)
  // By the algorithm of the key that came in.
  await pooldns(daemon, 'dnssec', 'enable', apex)
  await put(daemon, `/v1/zones/${apex}/rrsets/later/A`, { data: ['192.0.2.77'] })

  for (const route of [
    '/v1/config',
    '/v1/audit',
    '/v1/events',
    '/v1/revisions',
    '/v1/explain?name=served.example.test',
    '/metrics',
    '/ready',
    `/v1/zones/${apex}`,
    `/v1/zones/${apex}/dnssec`,
    `/v1/zones/${apex}/zonefile`,
    `/v1/zones/${apex}/zonefile?signed=true`,
  ]) {
    const response = await daemon.request(route)
    t.equal(response.status, 200, route)
    holds(route, Buffer.from(await response.arrayBuffer()))
  }
  for (const args of [['export'], ['export-zone', apex], ['dnssec', 'status', apex], ['history']])
    holds(args.join(' '), await pooldns(daemon, ...args))
  // Written some time behind what is served.
  await eventually(async () => {
    const names = await readdir(join(daemon.dataDir, 'snapshot/zones')).catch(() => [])
    return names.some((name) => name.endsWith('.signatures')) ? true : undefined
  })
  let read = 0
  for (const place of [daemon.dataDir, heard]) {
    const files = await readdir(place, { recursive: true, withFileTypes: true })
    for (const file of files) {
      if (!file.isFile()) continue
      // The embedded database takes files away meanwhile.
      holds(file.name, await readFile(join(file.parentPath, file.name)).catch(() => Buffer.alloc(0)))
      read++
    }
  }
  t.ok(read > 5)
  holds('the log', JSON.stringify(daemon.lines) + daemon.stderr)

  await t.test('and the search finds what is there', async (t) => {
    const said = await Promise.all((await readdir(heard)).map((name) => readFile(join(heard, name))))
    t.ok(said.length >= 4, `${said.length} threads`)
    const known = spellings(moved.public)
    t.ok(said.filter((octets) => known.some((form) => octets.includes(form))).length > 1, 'its public part')
    await writeFile(join(folder, 'pkcs8'), Buffer.from(`x${moved.secret}`).toString('base64'))
    for (const before of ['', 'a', 'ab', 'abc']) {
      const text = Buffer.concat([Buffer.from(before), moved.octets, Buffer.from('zz')]).toString('base64')
      t.ok(forms.some((form) => text.includes(form.toString())))
    }
  })
})
