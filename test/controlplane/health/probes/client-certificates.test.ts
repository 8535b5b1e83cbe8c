import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import {
  ClientCertificates,
  type KeyPair,
} from '../../../../src/controlplane/health/probes/client-certificates.ts'

async function folderOf(t: { teardown(fn: () => unknown): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-pairs-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

async function writePair(folder: string, text: string, changedAt: number): Promise<void> {
  for (const end of ['crt', 'key']) {
    await writeFile(join(folder, `web.${end}`), `${text} ${end}`)
    await utimes(join(folder, `web.${end}`), changedAt, changedAt)
  }
}

t.test('a pair is looked at once a minute, and read when it has changed', async (t) => {
  const folder = await folderOf(t)
  let nowMs = 0
  const certificates = new ClientCertificates(folder, () => nowMs)
  const find = async () => (await certificates.find('web')) as KeyPair
  await writePair(folder, 'first', 1_000)
  const [first, again] = await Promise.all([find(), find()])
  t.equal(first.cert.toString(), 'first crt')
  t.equal(first.key.toString(), 'first key')
  t.equal(again, first, 'read once for all who ask')

  await writePair(folder, 'second', 2_000)
  nowMs = 59_999
  t.equal(await find(), first, 'not looked at yet')
  nowMs = 60_000
  const second = await find()
  t.equal(second.cert.toString(), 'second crt')
  t.not(second.reading, first.reading)
  nowMs = 120_000
  t.equal(await find(), second, 'looked at, and the same')

  await rm(join(folder, 'web.key'))
  nowMs = 179_999
  t.equal(await find(), second)
  nowMs = 180_000
  t.match(await find(), {
    failure: 'tls',
    reason: "client certificate web (web.crt, web.key) can't be read: ENOENT",
  })
  await writePair(folder, 'third', 3_000)
  t.equal((await find()).cert.toString(), 'third crt', 'a pair that was missing is looked for each time')
})

t.test('a name never leads out of the directory of certificates', async (t) => {
  const folder = await folderOf(t)
  await writePair(folder, 'secret', 1_000)
  const certificates = new ClientCertificates(join(folder, 'inside'))
  for (const name of ['../web', '..', '.', '', '/etc/passwd', 'a/b', 'a\0']) {
    t.match(
      await certificates.find(name),
      { failure: 'tls', reason: /has no such name$/ },
      JSON.stringify(name),
    )
  }
})
