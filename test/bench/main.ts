/**
 * `npm run bench`: CPU per query, side by side, by the method of the README's performance section. The contestants run in
 * turn, round after round, each pinned to one core and dnsperf to the other, so that what the machine does besides
 * meets them all alike. Prints medians and the ratio to the first contestant.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Contestant, hosts, startEcho, startPooldns, zone } from './contestants.ts'
import { measure, median, type Sample } from './measure.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string' }, seconds: { type: 'string' } } })
const rounds = Number(values.rounds ?? 3)
const seconds = Number(values.seconds ?? 5)
const outstanding = 200

const folder = await mkdtemp(join(tmpdir(), 'pooldns-bench-'))
const queryFile = join(folder, 'hit.txt')
await writeFile(queryFile, Array.from({ length: hosts }, (_, host) => `h${host}.${zone} A\n`).join(''))

const starts: readonly (() => Promise<Contestant>)[] = [
  startEcho,
  () => startPooldns('dgram'),
  () => startPooldns('batch'),
]
const samples = new Map<string, Sample[]>()
try {
  for (let round = 0; round < rounds; round++) {
    for (const start of starts) {
      await using contestant = await start()
      const { name, pid, port } = contestant
      const load = { port, queryFile, outstanding }
      await measure(pid, { ...load, seconds: 1 })
      const sample = await measure(pid, { ...load, seconds })
      samples.set(name, [...(samples.get(name) ?? []), sample])
      process.stderr.write(`round ${round + 1}: ${name}: ${sample.cpuMicrosecondsPerQuery.toFixed(2)} us\n`)
    }
  }
} finally {
  await rm(folder, { recursive: true })
}

const cpu = (name: string) => median(samples.get(name)!.map((sample) => sample.cpuMicrosecondsPerQuery))
const [first] = samples.keys()
process.stdout.write('| hit | CPU us per query | of it in user space | queries per second | lost | ratio |\n')
process.stdout.write('| --- | --- | --- | --- | --- | --- |\n')
for (const [name, list] of samples) {
  const user = median(list.map((sample) => sample.userMicrosecondsPerQuery)).toFixed(2)
  const qps = Math.round(median(list.map((sample) => sample.queriesPerSecond)))
  const lost = list.reduce((sum, sample) => sum + sample.lost, 0)
  const ratio = (cpu(name) / cpu(first!)).toFixed(2)
  process.stdout.write(`| ${name} | ${cpu(name).toFixed(2)} | ${user} | ${qps} | ${lost} | ${ratio} |\n`)
}
