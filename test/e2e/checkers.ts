/** Others' programs that ask a server about `example.test`, and say whether what it answers proves itself. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { DaemonProcess } from '../support/daemon.ts'
import { flagBits, query, readResponse, type TypeName, UdpClient } from '../support/dns-client.ts'
import { freePort } from '../support/free-port.ts'
import { findProgram, startProgram } from '../support/program.ts'
import { good, none } from './dnssec-fixture.ts'
import { apex, delv, full, pooldns, says, startUnbound } from './validators.ts'

export interface Checked {
  /** Who is asked. */
  readonly dns: DaemonProcess['dns']
  /** The DS and the DNSKEY that are trusted, a line each. */
  readonly ds: string
  readonly dnskey: string
  readonly folder: string
}

/** What is to be known of who is asked. */
export async function checkedOf(daemon: DaemonProcess, folder: string): Promise<Checked> {
  const show = (format: string) => pooldns(daemon, 'dnssec', 'ds', apex, '--format', format)
  const [ds, dnskey] = await Promise.all([show('ds'), show('dnskey')])
  return { dns: daemon.dns, folder, ds: ds.trim(), dnskey: dnskey.trim() }
}

export interface Asking extends AsyncDisposable {
  /** `good`, `none`, `bogus`, or whatever else is said. */
  finds(name: string, type: string): Promise<string>
}

export interface Checker {
  readonly name: string
  start(t: Test, to: Checked): Promise<Asking>
}

type Answered = ReturnType<typeof readResponse>

/** What a resolver that validates makes of it. */
function verdict({ flags, rcode, answer }: Answered): string {
  if (rcode === 2) return 'bogus'
  if (!flags.includes(' ad')) return `no AD, rcode ${rcode}`
  return answer.length > 0 ? good : none
}

/** As BIND has it. */
function trusted({ dnskey }: Checked): string {
  const [, flags, protocol, algorithm, key] = /DNSKEY (\d+) (\d+) (\d+) (.*)$/.exec(dnskey)!
  return `trust-anchors { "${apex}." static-key ${flags} ${protocol} ${algorithm} "${key}"; };\n`
}

const unbound: Checker = {
  name: 'unbound',
  async start(t, to) {
    const ask = await startUnbound(t, to, { folder: to.folder, anchor: `trust-anchor: "${to.ds}"` })
    return { finds: async (name, type) => verdict(await ask(name, type)), async [Symbol.asyncDispose]() {} }
  },
}

const bind: Checker = {
  name: 'BIND',
  async start(_t, to) {
    const port = await freePort()
    const file = join(to.folder, `named-${port}.conf`)
    await writeFile(
      file,
      `options {
  directory "${to.folder}";
  pid-file none;
  session-keyfile none;
  listen-on port ${port} { 127.0.0.1; };
  listen-on-v6 { none; };
  recursion yes;
  dnssec-validation yes;
  empty-zones-enable no;
};
controls { };
${trusted(to)}zone "${apex}" { type forward; forward only; forwarders { ${to.dns.host} port ${to.dns.port}; }; };
`,
    )
    const named = startProgram('named', ['-g', '-n', '1', '-c', file])
    await named.said(/running\n/)
    return {
      finds: async (name, type) => verdict(await asked(port, name, type)),
      [Symbol.asyncDispose]: () => named.stop(),
    }
  },
}

async function asked(port: number, name: string, type: string): Promise<Answered> {
  await using client = await UdpClient.open({ host: '127.0.0.1', port })
  const number = { HTTPS: 65, CDS: 59, CNAME: 5 }[type] ?? (type as TypeName)
  return readResponse(
    await client.insist(query(full(name), number, { flags: flagBits.rd | flagBits.ad, edns: {} })),
  )
}

const delvs: Checker = {
  name: 'delv',
  async start(_t, to) {
    const anchors = join(to.folder, 'checkers-anchors')
    await writeFile(anchors, trusted(to))
    return {
      async finds(name, type) {
        const text = await delv(to, anchors, name, type)
        if (/broken trust chain|no valid RRSIG|RRSIG failed to verify/.test(text)) return 'bogus'
        return [none, good].find((said) => text.includes(said)) ?? text
      },
      async [Symbol.asyncDispose]() {},
    }
  },
}

export const checkers: readonly Checker[] = [unbound, delvs, ...(findProgram('named') === null ? [] : [bind])]

/** What dnsviz has to say about names, a line each; none when it finds nothing wrong. */
export async function dnsvizFinds(
  { dns, ds, dnskey, folder }: Checked,
  names: readonly string[],
): Promise<string[]> {
  const file = (name: string) => join(folder, `dnsviz-${name}`)
  await writeFile(file('ds'), `${ds}\n`)
  await writeFile(file('dnskey'), `${dnskey}\n`)
  const server = `ns1.${apex}=${dns.host}:${dns.port}`
  const parent = ['-x', `${apex}+:${server}`, '-N', `${apex}:${server}`, '-D', `${apex}:${file('ds')}`]
  const probed = await says('dnsviz', 'probe', '-A', ...parent, '-o', file('probe'), ...names.map(full))
  if (!probed.ok) return [probed.text]
  const { ok, text } = await says('dnsviz', 'print', '-t', file('dnskey'), '-r', file('probe'))
  const lines = text.split('\n').filter((line) => line !== '')
  // A line that begins with no mark has nothing but a name, or is about the line above.
  const troubled = lines.filter((line) => /\[[^.\]]+\]|^\s*[EW]:/.test(line))
  return ok && lines.length > names.length ? troubled : [`said little: ${text}`]
}
