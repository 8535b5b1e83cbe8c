/** What the scenarios with many RRsets share: how a database is filled, and what a server of several processes takes. */
import { readFileSync } from 'node:fs'
import type { DaemonChild } from '../support/daemon.ts'
import { processOf } from '../support/processes.ts'
import { cpuSeconds } from './measure.ts'

/**
 * SQL that writes zones, with as many RRsets each as its parameter says: one in fifty is an MX, one in ten an AAAA, one in ten a TXT,
 * the others A. Apexes are the rows of `apexes`.
 */
export const fill = (apexes: string) => `
  with z as (${apexes})
  , head as (
    insert into zones (apex, mname, rname, refresh_seconds, retry_seconds, expire_seconds, minimum_seconds, ttl_seconds, serial, revision)
    select apex, 'ns1.example.net.', 'hostmaster.example.net.', 3600, 600, 1209600, 60, 300, 1, 1 from z returning apex
  )
  insert into rrsets (zone, owner, type, ttl_seconds, data, revision)
  select apex, case when k = 0 then '@' else 'host-' || k end,
    case when k = 0 then 'NS' when k % 50 = 7 then 'MX' when k % 10 = 3 then 'AAAA' when k % 10 = 5 then 'TXT' else 'A' end,
    null,
    case when k = 0 then array['ns1.example.net.', 'ns2.example.net.'] when k % 50 = 7 then array['10 host-1.' || apex || '.']
      when k % 10 = 3 then array['2001:db8::' || to_hex(k % 65536)] when k % 10 = 5 then array['"v=spf1 -all"']
      else array['192.0.' || (k / 256 % 256) || '.' || k % 256] end, 1
  from z, generate_series(0, $1::int - 1) k`

export interface MemoryPart {
  readonly name: string
  /** Megabytes. Pages that several processes share are counted once, in equal parts. */
  readonly share: number
  readonly resident: number
}

export function memoryOf(daemon: DaemonChild): MemoryPart[] {
  return membersOf(daemon).map(([name, pid]) => {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
    const megabytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)![1]) / 1024
    return { name, share: megabytes('Pss'), resident: megabytes('Rss') }
  })
}

/** The processes of a server. */
function membersOf(daemon: DaemonChild): (readonly [name: string, pid: number])[] {
  return [
    ['supervisor', daemon.pid],
    ['control plane', processOf(daemon, 'control')],
    ['data plane', processOf(daemon, 'data')],
  ]
}

/** CPU seconds that they have used. */
export function cpuOf(daemon: DaemonChild): number {
  const all = membersOf(daemon).map(([, pid]) => cpuSeconds(pid))
  return all.reduce((sum, { user, system }) => sum + user + system, 0)
}
