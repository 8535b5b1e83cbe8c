/**
 * The scenario `apply`: a document of 10,000 services and 50,000 members through the command line, as people apply it, while dnsperf
 * asks for a service that it does not touch. Planned, applied, applied again with nothing to do, applied with one member changed,
 * exported, and rolled back. On a PostgreSQL server of its own.
 *
 * Of each step: how long the command took, the most memory that the control plane and the command had, and what became of queries.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { formatYaml } from '../../src/controlplane/document/yaml-text.ts'
import { type DaemonProcess, node, repository, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { processOf } from '../support/processes.ts'
import { parseTally } from './measure.ts'
import type { ScenarioOptions, ScenarioResult } from './results.ts'
import { significant, thousands } from './table.ts'

export interface ApplySizes {
  readonly services: number
  /** Of each of as many pools. */
  readonly members: number
  readonly zones: number
  readonly queriesPerSecond: number
}

const fullSizes: ApplySizes = { services: 10_000, members: 5, zones: 100, queriesPerSecond: 2000 }

const exitCodes = { nothing: 0, changes: 3 } as const
/** How long nothing is done but to ask. */
const idleSeconds = 5
/** How often the memory of a command is looked at. */
const lookEveryMs = 20
const asked = 'www.asked.test'

interface Step {
  readonly name: string
  readonly seconds: number
  /** Most that was resident, and what was at the end, in MB. */
  readonly controlPlane: number
  readonly left: number
  /** Null where no command ran. */
  readonly command: number | null
  readonly asked: number
  readonly lost: number
  readonly meanMs: number
  readonly mostMs: number
}

export function run(options: ScenarioOptions): Promise<ScenarioResult> {
  return runApply(options, fullSizes)
}

export async function runApply(options: ScenarioOptions, sizes: ApplySizes): Promise<ScenarioResult> {
  options.signal.throwIfAborted()
  await using postgres = await startPostgres()
  await using daemon = await startDaemonProcess({
    env: { DATABASE_URL: await postgres.createDatabase(), POOLDNS_WORKERS: '1' },
  })
  const steps = await new ApplyRun(daemon, options, sizes).steps()
  const failed = daemon.lines.filter(({ level }) => level === 'error')
  if (failed.length > 0) throw new Error(`apply: the server had errors: ${JSON.stringify(failed)}`)
  return result(steps, sizes)
}

function result(steps: readonly Step[], sizes: ApplySizes): ScenarioResult {
  const { services, members, queriesPerSecond } = sizes
  const table = {
    title: `apply: ${thousands(services)} services and ${thousands(services * members)} members, at ${thousands(queriesPerSecond)} queries a second`,
    columns: [
      '',
      's',
      'control plane, MB',
      'at the end',
      'command, MB',
      'queries',
      'lost',
      'mean ms',
      'most ms',
    ],
    rows: steps.map((step) => [
      step.name,
      significant(step.seconds),
      thousands(step.controlPlane),
      thousands(step.left),
      step.command === null ? '–' : thousands(step.command),
      thousands(step.asked),
      String(step.lost),
      significant(step.meanMs),
      significant(step.mostMs),
    ]),
    notes: ['Memory: the most that was resident in the step.'],
  }
  return { tables: [table], data: { sizes, steps } }
}

class ApplyRun {
  readonly #daemon: DaemonProcess
  readonly #options: ScenarioOptions
  readonly #sizes: ApplySizes
  readonly #file: string
  readonly #queryFile: string
  #commands = 0

  constructor(daemon: DaemonProcess, options: ScenarioOptions, sizes: ApplySizes) {
    this.#daemon = daemon
    this.#options = options
    this.#sizes = sizes
    this.#file = join(options.folder, 'config.yaml')
    this.#queryFile = join(options.folder, 'queries')
  }

  async steps(): Promise<Step[]> {
    await writeFile(this.#queryFile, `${asked} A\n`)
    await this.#write(this.#askedFor())
    await this.#pooldns(['apply', '-f', this.#file], exitCodes.nothing)
    const before = await this.#revision()
    await this.#write(this.#document(100))
    const steps = [await this.#step('idle', () => this.#idle())]
    const step = async (name: string, args: readonly string[], code: number) => {
      steps.push(await this.#step(name, () => this.#pooldns(args, code)))
    }
    const file = ['-f', this.#file]
    await step('plan', ['plan', ...file], exitCodes.changes)
    await step('apply', ['apply', ...file], exitCodes.nothing)
    await step('apply again: nothing to do', ['apply', ...file], exitCodes.nothing)
    await this.#write(this.#document(50))
    await step('apply with one member changed', ['apply', ...file], exitCodes.nothing)
    await step('export', ['export'], exitCodes.nothing)
    await step('rollback of all of it', ['rollback', String(before), '--yes'], exitCodes.nothing)
    steps.push(await this.#step('idle again', () => this.#idle()))
    return steps
  }

  /** What is asked for all the time. */
  #askedFor(): object {
    return {
      pools: { asked: { members: { a: { address: '192.0.2.1' } } } },
      services: { [asked]: { pools: ['asked'] } },
      zones: { 'asked.test': zone('asked.test') },
    }
  }

  /** @param weight of the first member */
  #document(weight: number): object {
    const { services, members, zones } = this.#sizes
    const numbers = [...Array(services).keys()]
    const memberOf = (pool: number, nth: number) => {
      const number = pool * members + nth
      const address = `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`
      return [`m${nth}`, { address, ...(number === 0 ? { weight } : {}) }]
    }
    const nth = [...Array(members).keys()]
    const apexes = [...Array(zones).keys()].map((zone) => `z${zone}.test`)
    return {
      pools: Object.fromEntries(
        numbers.map((pool) => [
          `p${pool}`,
          {
            select: 'weighted',
            answers: 2,
            members: Object.fromEntries(nth.map((each) => memberOf(pool, each))),
          },
        ]),
      ),
      services: Object.fromEntries(
        numbers.map((each) => [`s${each}.${apexes[each % zones]}`, { ttl: '30s', pools: [`p${each}`] }]),
      ),
      zones: Object.fromEntries(apexes.map((apex) => [apex, zone(apex)])),
    }
  }

  #write(document: object): Promise<void> {
    return writeFile(this.#file, formatYaml(document))
  }

  async #revision(): Promise<number> {
    const text = await (await this.#daemon.request('/metrics')).text()
    return Number(/^pooldns_config_revision (\d+)$/m.exec(text)![1])
  }

  async #idle(): Promise<null> {
    await delay(idleSeconds * 1000, undefined, { signal: this.#options.signal })
    return null
  }

  /** Does something while dnsperf asks. @param work resolves with the most memory of a command */
  async #step(name: string, work: () => Promise<number | null>): Promise<Step> {
    const { signal, report, cores } = this.#options
    signal.throwIfAborted()
    const { host, port } = this.#daemon.dns
    const args = [
      '-s',
      host,
      '-p',
      String(port),
      '-d',
      this.#queryFile,
      '-Q',
      String(this.#sizes.queriesPerSecond),
    ]
    const asking = spawn('taskset', ['-c', String(cores.at(-1)), 'dnsperf', ...args, '-l', '3600'], {
      signal,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const said = textOf(asking)
    try {
      const pid = processOf(this.#daemon, 'control')
      // The most that was resident counts from now on (proc(5)).
      writeFileSync(`/proc/${pid}/clear_refs`, '5')
      const startedAt = performance.now()
      const command = await work()
      const seconds = (performance.now() - startedAt) / 1000
      const [controlPlane, left] = [residentOf(pid, 'VmHWM')!, residentOf(pid, 'VmRSS')!]
      // It tells its figures then.
      asking.kill('SIGINT')
      const output = await said
      const { completed, lost } = parseTally(output)
      const [, mean, most] = /Average Latency \(s\):\s+([\d.]+) \(min [\d.]+, max ([\d.]+)\)/.exec(output)!
      report(`apply: ${name}: ${significant(seconds)} s, ${thousands(controlPlane)} MB`)
      const [meanMs, mostMs] = [1000 * Number(mean), 1000 * Number(most)]
      return { name, seconds, controlPlane, left, command, asked: completed + lost, lost, meanMs, mostMs }
    } finally {
      asking.kill('SIGKILL')
      await said.catch(() => undefined)
    }
  }

  /** Runs a command to its end. @returns the most memory that it had, in MB */
  async #pooldns(args: readonly string[], code: number): Promise<number> {
    const output = openSync(join(this.#options.folder, `output-${this.#commands++}`), 'w')
    const child = spawn(node, [join(repository, 'src/main.ts'), ...args], {
      env: { ...process.env, POOLDNS_SERVER: this.#daemon.http, POOLDNS_TOKEN: this.#daemon.token },
      signal: this.#options.signal,
      stdio: ['ignore', output, 'inherit'],
    })
    let most = 0
    const looking = setInterval(() => {
      most = Math.max(most, residentOf(child.pid!, 'VmHWM') ?? 0)
    }, lookEveryMs)
    try {
      const [ended] = await once(child, 'close')
      if (ended !== code) throw new Error(`apply: pooldns ${args[0]} ended with ${ended}, not ${code}`)
      return most
    } finally {
      clearInterval(looking)
    }
  }
}

function zone(apex: string): object {
  return {
    soa: { mname: `ns1.${apex}.`, rname: `hostmaster.${apex}.` },
    rrsets: [{ name: '@', type: 'NS', data: [`ns1.${apex}.`] }],
  }
}

async function textOf({ stdout }: ChildProcess): Promise<string> {
  return (await stdout!.toArray()).map(String).join('')
}

/** The most memory that was resident, or what is, in MB; null once a process has ended. */
function residentOf(pid: number, which: 'VmHWM' | 'VmRSS'): number | null {
  try {
    const found = new RegExp(`^${which}:\\s+(\\d+) kB$`, 'm').exec(
      readFileSync(`/proc/${pid}/status`, 'latin1'),
    )
    return found === null ? null : Number(found[1]) / 1024
  } catch {
    return null
  }
}
