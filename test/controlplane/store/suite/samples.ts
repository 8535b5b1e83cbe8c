/** Values that the suites start from, and what they do again and again. */
import type { Test } from 'tap'
import { ControlError, type ErrorCode } from '../../../../src/controlplane/model/errors.ts'
import type { HttpMonitor } from '../../../../src/controlplane/model/monitor.ts'
import type { AddressMember, HostMember, Member, Pool } from '../../../../src/controlplane/model/pool.ts'
import type { Service } from '../../../../src/controlplane/model/service.ts'
import type { Rrset, Soa, Zone } from '../../../../src/controlplane/model/zone.ts'
import type { Database, Write } from '../../../../src/controlplane/store/database.ts'
import {
  httpDefaults,
  memberDefaults,
  poolChoice,
  poolDefaults,
  serviceDefaults,
} from '../../model/defaults.ts'

export type Suite = (t: Test, database: Database) => Promise<void>

export const soa: Soa = {
  mname: 'ns1.example.test.',
  rname: 'hostmaster.example.test.',
  fixedSerial: null,
  refreshSeconds: 3600,
  retrySeconds: 600,
  expireSeconds: 1_209_600,
  minimumSeconds: 60,
}

export const rrset = (owner: string, type: string, ...data: string[]): Rrset => ({
  owner,
  type,
  ttlSeconds: null,
  data,
})

export const zone = (apex: string, ...rrsets: Rrset[]): Zone => ({
  apex,
  soa,
  ttlSeconds: 300,
  dnssec: null,
  rrsets,
})

export const monitor = (name: string, change: Partial<HttpMonitor> = {}): HttpMonitor => ({
  ...httpDefaults,
  name,
  port: 8080,
  path: '/healthz',
  ...change,
})

export const member = (
  name: string,
  address: string,
  change: Partial<AddressMember> = {},
): AddressMember => ({
  name,
  address,
  host: null,
  ...memberDefaults,
  ...change,
})

export const hostMember = (name: string, host: string, change: Partial<HostMember> = {}): HostMember => ({
  ...member(name, ''),
  address: null,
  host,
  ...change,
})

export const pool = (name: string, members: readonly Member[], change: Partial<Pool> = {}): Pool => ({
  name,
  ...poolDefaults,
  members,
  ...change,
})

export const service = (name: string, pools: readonly string[], change: Partial<Service> = {}): Service => ({
  name,
  ...serviceDefaults,
  choices: pools.map((pool) => poolChoice(pool)),
  ...change,
})

/** A write by nobody in particular. */
export async function put<T>(database: Database, work: (write: Write) => Promise<T>): Promise<T> {
  return (await database.write('tester', work)).result
}

/** Awaits a refusal, checks its code and returns it for a closer look. */
export async function refused(t: Test, code: ErrorCode, work: Promise<unknown>): Promise<ControlError> {
  try {
    await work
  } catch (error) {
    if (!(error instanceof ControlError)) throw error
    t.equal(error.code, code, error.message)
    return error
  }
  throw new Error(`was not refused as ${code}`)
}
