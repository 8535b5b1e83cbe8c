/** Those who validate what a daemon answers of the zone `example.test`: delv, and unbound as a resolver that knows nothing else. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { type DaemonProcess, main, node, repository } from '../support/daemon.ts'
import { flagBits, query, readResponse, type TypeName, UdpClient } from '../support/dns-client.ts'
import { freePort } from '../support/free-port.ts'
import { findProgram, startProgram } from '../support/program.ts'

const execute = promisify(execFile)

export const apex = 'example.test'
/** A name below it; `@` is the apex. */
export const full = (name: string) => (name === '@' ? apex : `${name}.${apex}`)

/** What a command of ours says. */
export async function pooldns(daemon: DaemonProcess, ...args: string[]): Promise<string> {
  const env = { ...process.env, POOLDNS_SERVER: daemon.http, POOLDNS_TOKEN: daemon.token }
  const { stdout } = await execute(node, [main, ...args], { cwd: repository, env })
  return stdout
}

/** What a program says, however it ends. */
export async function says(
  program: string,
  ...args: string[]
): Promise<{ readonly ok: boolean; readonly text: string }> {
  try {
    const { stdout, stderr } = await execute(findProgram(program)!, args)
    return { ok: true, text: stdout + stderr }
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    return { ok: false, text: stdout + stderr }
  }
}

export async function delv(
  { dns }: Pick<DaemonProcess, 'dns'>,
  anchors: string,
  name: string,
  type: string,
): Promise<string> {
  const to = [`@${dns.host}`, '-p', String(dns.port), '-a', anchors, `+root=${apex}`]
  const { text } = await says('delv', ...to, full(name), type)
  return text
}

export interface UnboundOptions {
  /** Where its files go. */
  readonly folder: string
  /** What `pooldns dnssec ds --format unbound` says. */
  readonly anchor: string
  /** More lines of its section `server`. */
  readonly more?: readonly string[]
  /** Others who serve the zone. */
  readonly others?: readonly Pick<DaemonProcess, 'dns'>[]
}

/**
 * What every unbound of the tests is told: it validates, asks servers on this host, and keeps to itself.
 *
 * @param more lines of its server, and behind them other clauses
 */
export function unboundConfig(
  folder: string,
  port: number,
  more: readonly string[],
  clauses: string,
): string {
  return `server:
  directory: "${folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  interface: 127.0.0.1@${port}
  port: ${port}
  module-config: "validator iterator"
  do-not-query-localhost: no
  # It would give a server up that says nothing for three seconds, as one on a busy machine may.
  infra-cache-min-rtt: 1000
  unknown-server-time-limit: 1000
  local-zone: "test." nodefault
  ${more.join('\n  ')}
${clauses}
remote-control:
  control-enable: no
`
}

/** A validating resolver that knows nothing but this zone, which it asks the daemon for. */
export async function startUnbound(
  t: Test,
  { dns }: Pick<DaemonProcess, 'dns'>,
  { folder, anchor, more = [], others = [] }: UnboundOptions,
) {
  const port = await freePort()
  const file = join(folder, `unbound-${port}.conf`)
  await writeFile(
    file,
    unboundConfig(
      folder,
      port,
      ['aggressive-nsec: yes', ...more, anchor],
      `stub-zone:
  name: "${apex}"
  ${[dns, ...others.map((other) => other.dns)].map(({ host, port }) => `stub-addr: ${host}@${port}`).join('\n  ')}`,
    ),
  )
  const unbound = startProgram('unbound', ['-d', '-c', file])
  t.teardown(() => unbound.stop())
  await unbound.said(/start of service/)
  const ask = async (name: string, type: string) => {
    // Each by a client of its own: a question that was sent twice has two answers, and the second must not stand for the next.
    await using client = await UdpClient.open({ host: '127.0.0.1', port })
    const number = { HTTPS: 65, CDS: 59, CNAME: 5 }[type] ?? (type as TypeName)
    const flags = flagBits.rd | flagBits.ad
    return readResponse(await client.insist(query(full(name), number, { flags, edns: {} })))
  }
  return Object.assign(ask, {
    bogus: () => unbound.output.split('\n').filter((line) => /validation failure/.test(line)),
  })
}
