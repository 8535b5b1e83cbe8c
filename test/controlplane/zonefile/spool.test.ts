import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { Spool, SpoolOverflow } from '../../../src/controlplane/zonefile/spool.ts'

async function* chunks(...parts: readonly (string | Uint8Array)[]) {
  yield* parts
}

t.test('gives back what it took, and leaves nothing behind', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-spool-'))
  t.teardown(() => rm(folder, { recursive: true }))
  {
    await using spool = await Spool.create(folder)
    t.same(await readdir(folder), [], 'a file without a name')
    await spool.fill(chunks('zü', Buffer.from('rich'), ''))
    await spool.fill(chunks('!'))
    t.equal(spool.octets, 8)
    t.equal(await text(spool.read()), 'zürich!')
  }
  await using small = await Spool.create(folder)
  await small.fill(chunks('1234'), 4)
  await t.rejects(small.fill(chunks('5'), 4), SpoolOverflow)
  await using failing = await Spool.create(folder)
  const broken = async function* () {
    yield 'x'
    throw new Error('gone')
  }
  await t.rejects(failing.fill(broken()), { message: 'gone' })
  await using _other = await Spool.create(join(folder, 'deleted', 'meanwhile'))
  const file = join(folder, 'file')
  await writeFile(file, '')
  await t.rejects(Spool.create(file), { name: 'SpoolUnavailable', message: /: (EEXIST|ENOTDIR)$/ })
})
