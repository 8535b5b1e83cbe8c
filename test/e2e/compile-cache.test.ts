/**
 * Compiled code that is kept between starts is code that is run: nobody else may have written it. The folder for temporary files
 * is everybody's, and whoever is there first could put theirs in its place.
 */
import { execFile } from 'node:child_process'
import { chmod, chown, lstat, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { node, repository } from '../support/daemon.ts'

const user = process.getuid?.() ?? 0

/** A folder for temporary files as systems have one: everybody writes, nobody renames what is another's. */
async function makeTemporary(t: Test, mode = 0o1777): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-cache-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, mode)
  return folder
}

/** Runs a command that needs all of a client's code, and fails for want of a server. */
function runCommand(temporary: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const args = [join(repository, 'src/main.ts'), 'explain', 'a.test', '--server', 'http://127.0.0.1:1']
  const { NODE_COMPILE_CACHE: _, ...inherited } = process.env
  const settings = { ...inherited, TMPDIR: temporary, POOLDNS_TOKEN: 'no-token', ...env }
  return new Promise((resolve) => {
    execFile(node, args, { env: settings }, (_error, _stdout, stderr) => resolve(stderr))
  })
}

const below = (folder: string) => readdir(folder, { recursive: true })

t.test('compiled code lies in a folder of the user alone', async (t) => {
  const temporary = await makeTemporary(t)
  t.match(await runCommand(temporary), 'http://127.0.0.1:1', 'the command ran')
  const found = await below(temporary)
  t.ok(found.length > 10, 'code is kept')
  t.ok(
    found.every((name) => name.startsWith(`pooldns-compiled-${user}`)),
    'in a folder that says whose it is',
  )
  for (const name of found) {
    const { uid, mode } = await lstat(join(temporary, name))
    t.ok(uid === user && (mode & 0o077) === 0, `${name} is its user's alone`)
  }
  t.match(await runCommand(temporary), 'http://127.0.0.1:1', 'and it is used again')
})

t.test('what somebody else has put there is left alone', async (t) => {
  const temporary = await makeTemporary(t)
  const ofOthers = await makeTemporary(t)
  const name = join(temporary, `pooldns-compiled-${user}`)
  const planted: Readonly<Record<string, () => Promise<unknown>>> = {
    'a folder in the place that Node would take': async () => {
      await mkdir(join(temporary, 'node-compile-cache'))
      await chmod(join(temporary, 'node-compile-cache'), 0o777)
      // So that there is no other.
      await symlink(ofOthers, name)
    },
    'a link': () => symlink(ofOthers, name),
    'a folder that others write': async () => {
      await mkdir(name)
      await chmod(name, 0o777)
    },
    'a folder of somebody else': async () => {
      await mkdir(name)
      if (user === 0) await chown(name, 65_534, 65_534)
      else await chmod(name, 0o770)
    },
  }
  for (const [what, plant] of Object.entries(planted)) {
    await plant()
    const before = await below(temporary)
    t.match(await runCommand(temporary), 'http://127.0.0.1:1', `${what}: the command ran`)
    t.same(await below(temporary), before, `${what}: nothing came to it`)
    t.same(await below(ofOthers), [], `${what}: nothing went through it`)
    await rm(name, { recursive: true, force: true })
  }
})

t.test('where others may rename what is ours, nothing is kept', async (t) => {
  const temporary = await makeTemporary(t, 0o777)
  t.match(await runCommand(temporary), 'http://127.0.0.1:1', 'the command ran')
  t.same(await below(temporary), [])
})

t.test("a folder that the user names is the user's choice", async (t) => {
  const temporary = await makeTemporary(t)
  const named = await makeTemporary(t, 0o700)
  await runCommand(temporary, { NODE_COMPILE_CACHE: named })
  t.ok((await below(named)).length > 10)
  t.same(await below(temporary), [])
})
