import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { defaultStreamLimits, streamLimitsOfProcess } from '../../../src/dataplane/listener/stream-limits.ts'

t.test('connections leave files for the rest of the process', async (t) => {
  const path = join(t.testdir(), 'limits')
  const limits = (files: string) =>
    `Limit                     Soft Limit           Hard Limit           Units\n` +
    `Max processes             95                   95                   processes\n` +
    `Max open files            ${files.padEnd(20)} 1048576              files\n`
  for (const [files, connections] of [
    ['64', 16],
    ['1024', 624],
    ['4096', 3072],
    ['1048576', defaultStreamLimits.connections],
    ['unlimited', defaultStreamLimits.connections],
  ] as const) {
    await writeFile(path, limits(files))
    t.same(streamLimitsOfProcess(path), { ...defaultStreamLimits, connections }, files)
  }
  t.same(streamLimitsOfProcess(`${path}-missing`), defaultStreamLimits, 'no such file')
})
