import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { makeKeyParts, sealKey } from '../../../src/controlplane/dnssec/zone-key.ts'
import { allDuties, type ServedKey } from '../../../src/controlplane/model/dnssec.ts'
import { SetSigner, type SigningReply } from '../../../src/controlplane/signing/set-signer.ts'
import { setOf } from '../../../src/dataplane/image/set-key.ts'
import { types } from '../../../src/dataplane/wire/constants.ts'
import { hostnameToWire } from '../../../src/dataplane/wire/name.ts'
import { apex, daySeconds, isGood, keyFolder, setKey } from './signing-fixture.ts'

const service = 'www.example.test'
const owner = Buffer.from(hostnameToWire(service)).toString('latin1')
const a = (...last: number[]) =>
  setKey(
    types.a,
    last.map((octet) => Uint8Array.of(192, 0, 2, octet)),
  )
const aaaa = setKey(types.aaaa, [new Uint8Array(16).fill(0xfe), new Uint8Array(16).fill(0xff)])
const cname = setKey(types.cname, [hostnameToWire('cdn.other.test')])
const sets = [a(1), a(1, 2, 255), aaaa, cname]
const { signal } = new AbortController()

const request = (keys: readonly ServedKey[], wanted: readonly string[] = sets) => ({
  apex,
  keys,
  owners: [{ owner, ttlSeconds: 60, sets: wanted }],
})

function rrsigsOf({ octets, rrsigLength, counts }: SigningReply): Uint8Array[][] {
  let at = 0
  return counts.map((count) => {
    const from = at
    at += count
    return Array.from({ length: count }, (_, i) =>
      octets.subarray((from + i) * rrsigLength, (from + i + 1) * rrsigLength),
    )
  })
}

t.test('an RRset as text is the RRset', async (t) => {
  for (const set of sets) {
    const { type, data } = setOf(set)
    t.equal(setKey(type, data), set)
  }
  t.equal(setOf(a(1, 2, 255)).data.length, 3)
})

for (const algorithm of [13, 15] as const) {
  t.test(`answers are signed by the keys of the zone, algorithm ${algorithm}`, async (t) => {
    const { directory, keyFile, key } = await keyFolder(t, algorithm)
    const signer = new SetSigner({ directory, keyFile })
    const reply = signer.sign(request([key]))
    t.match(reply, { counts: [1, 1, 1, 1], made: 4, trouble: null, kept: 4, damaged: null })
    for (const [at, [rrsig]] of rrsigsOf(reply).entries()) {
      t.ok(isGood(rrsig!, service, sets[at]!, key), `set ${at}`)
      t.notOk(isGood(rrsig!, `x.${service}`, sets[at]!, key), 'and no other owner')
    }
    const again = signer.sign(request([key]))
    t.equal(again.made, 0)
    t.same(rrsigsOf(again), rrsigsOf(reply), 'the same signatures')
    const other = signer.sign({ ...request([key]), owners: [{ owner, ttlSeconds: 61, sets: [a(1)] }] })
    t.equal(other.made, 1, 'another TTL is another RRset')
  })
}

t.test('several keys sign, each by its duties', async (t) => {
  const { directory, keyFile, key } = await keyFolder(t)
  const secret = Buffer.from(await readFile(keyFile.path, 'latin1'), 'base64')
  const second: ServedKey = { ...sealKey(secret, apex, makeKeyParts(13)), duties: allDuties }
  const ksk: ServedKey = {
    ...sealKey(secret, apex, makeKeyParts(13)),
    duties: { ...allDuties, signsZone: false },
  }
  const signer = new SetSigner({ directory, keyFile })
  const [rrsigs] = rrsigsOf(signer.sign(request([key, second, ksk], [a(1)])))
  t.equal(rrsigs!.length, 2)
  t.ok(isGood(rrsigs![0]!, service, a(1), key))
  t.ok(isGood(rrsigs![1]!, service, a(1), second))
  const turned = [
    { ...key, duties: { ...allDuties, signsZone: false } },
    { ...ksk, duties: allDuties },
  ]
  const [after] = rrsigsOf(signer.sign(request(turned, [a(1)])))
  t.equal(after!.length, 1)
  t.ok(isGood(after![0]!, service, a(1), ksk), 'what a key is for may change')
})

t.test(
  'a restart finds what was signed, and can serve it without the key file, as long as it holds',
  async (t) => {
    const { directory, keyFile, key, folder } = await keyFolder(t)
    const time = { seconds: 1_800_000_000 }
    const nowSeconds = () => time.seconds
    const first = new SetSigner({ directory, keyFile, nowSeconds })
    const before = first.sign(request([key]))
    await first.persist(signal)
    await first.persist(signal)

    const second = new SetSigner({ directory, keyFile, nowSeconds })
    const found = second.sign(request([key]))
    t.match(found, { made: 0, damaged: null })
    t.same(rrsigsOf(found), rrsigsOf(before))

    const aside = join(folder, 'aside')
    await rename(keyFile.path, aside)
    const third = new SetSigner({ directory, keyFile, nowSeconds })
    time.seconds += 12 * daySeconds
    t.match(third.sign(request([key], [...sets, a(9)])), {
      counts: [1, 1, 1, 1, 0],
      made: 0,
      trouble: /there is no key file/,
    })
    time.seconds += 3 * daySeconds
    t.match(third.sign(request([key])), { counts: [0, 0, 0, 0] }, 'nothing that has ended')
    await writeFile(keyFile.path, `${Buffer.alloc(32, 9).toString('base64')}\n`, { mode: 0o600 })
    t.match(third.sign(request([key])), { counts: [0, 0, 0, 0], trouble: /can't be opened/ })
    await rename(aside, keyFile.path)
    t.match(third.sign(request([key])), { counts: [1, 1, 1, 1], made: 4, trouble: null })
  },
)

t.test('with a week left a signature is made anew', async (t) => {
  const { directory, keyFile, key } = await keyFolder(t)
  const time = { seconds: 1_800_000_000 }
  const signer = new SetSigner({ directory, keyFile, nowSeconds: () => time.seconds })
  signer.sign(request([key]))
  time.seconds += 5 * daySeconds
  t.equal(signer.sign(request([key])).made, 0)
  time.seconds += 3 * daySeconds
  t.equal(signer.sign(request([key])).made, 4)
})

t.test('a damaged file is told of once, and the one before it is used', async (t) => {
  const { directory, keyFile, key } = await keyFolder(t)
  const first = new SetSigner({ directory, keyFile })
  first.sign(request([key], [a(1)]))
  await first.persist(signal)
  first.sign(request([key], [a(2)]))
  await first.persist(signal)
  const path = join(directory, (await readdir(directory)).find((name) => name.endsWith('.signatures'))!)
  const octets = await readFile(path)
  octets[60]! ^= 1
  await writeFile(path, octets)
  const second = new SetSigner({ directory, keyFile })
  t.match(second.sign(request([key], [a(1), a(2)])), {
    made: 1,
    counts: [1, 1],
    damaged: `${path} can't be used: its checksum is wrong`,
  })
  t.equal(second.sign(request([key])).damaged, null)
  await rm(directory, { recursive: true })
  await writeFile(directory, '')
  await t.rejects(second.persist(signal), { code: 'EEXIST' })
  await rm(directory)
  await second.persist(signal)
  t.equal(new SetSigner({ directory, keyFile }).sign(request([key])).made, 0, 'what failed is written later')
})

t.test('what is of no use is forgotten, and so is a zone, on disk too', async (t) => {
  const { directory, keyFile, key } = await keyFolder(t)
  const signer = new SetSigner({ directory, keyFile })
  signer.sign(request([key]))
  signer.retain(request([key], [a(1)]))
  t.match(signer.sign(request([key], [a(1)])), { made: 0, kept: 1 })
  await signer.persist(signal)
  signer.forget(apex)
  t.match(
    signer.sign(request([key], [a(2)])),
    { made: 1, kept: 1 },
    'nothing is read of files that are to go',
  )
  signer.forget(apex)
  await signer.removeFiles(apex)
  t.same(await readdir(directory), [])
  await signer.persist(signal)
  t.match(signer.sign(request([key], [a(1)])), { made: 1, kept: 1 })
  t.match(signer.sign(request([], [a(1)])), { counts: [0], trouble: null }, 'a zone without a key')
  signer.forget(apex)
  signer.sign(request([key], [a(2)]))
  await signer.removeFiles(apex)
  await signer.persist(signal)
  const next = new SetSigner({ directory, keyFile })
  t.match(next.sign(request([key], [a(2)])), { made: 0, kept: 1 }, 'what was signed meanwhile is kept')
})

t.test('a zone whose keys are none is refused, and says so', async (t) => {
  const { directory, keyFile, key } = await keyFolder(t)
  const signer = new SetSigner({ directory, keyFile })
  // As of a rollover in a step that there is none of.
  const broken = { ...key, duties: undefined } as unknown as ServedKey
  const reply = signer.sign(request([broken]))
  t.match(reply, {
    counts: [0, 0, 0, 0],
    made: 0,
    trouble: /^services of zone example\.test can't be signed: /,
  })
  t.match(signer.sign(request([key])), { made: 4, trouble: null })
})
