/**
 * Failover beside gdnsd: two pools of two members in each family, in each of the 256 states that these can be in. What its plugins metafo,
 * multifo and weighted answer is what we answer, A and AAAA each by itself.
 *
 * gdnsd has its states in a file, so each of them has addresses of its own there; here one member after the other goes down and up.
 * A resource of gdnsd that has both families fails over with both when one is down in both its members; that is not what is compared:
 * it has a resource for each family, as its manual advises.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startDaemonProcess } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { startPostgres } from '../support/postgres.ts'
import { findProgram, missingPrograms, startProgram } from '../support/program.ts'
import { ask } from './ask.ts'
import { put, soa } from './fixture.ts'

const families = ['v4', 'v6'] as const
type Family = (typeof families)[number]
const types = { v4: 'A', v6: 'AAAA' } as const
const pools = [0, 1]
const members = [0, 1]
const states = Array.from({ length: 256 }, (_, state) => state)
const selects = ['all', 'weighted'] as const

/** Which bit of a state says that a member is down. */
const bitOf = (pool: number, family: Family, member: number) =>
  pool * 4 + families.indexOf(family) * 2 + member

/** Where a member is; for gdnsd in a state, which changes an octet or a group. */
function addressOf(pool: number, family: Family, member: number, state = 0): string {
  return family === 'v4'
    ? `10.${pool + 1}.${state}.${member + 1}`
    : `2001:db8:${pool + 1}:${(state + 1).toString(16)}::${member + 1}`
}

/** The answers of gdnsd in a state, as the addresses that members have here. */
function asHere(answers: readonly string[], family: Family, state: number): string[] {
  const here = new Map(
    pools.flatMap((pool) =>
      members.map((member) => [addressOf(pool, family, member, state), addressOf(pool, family, member)]),
    ),
  )
  return answers.map((address) => here.get(address) ?? `a stranger: ${address}`)
}

async function startGdnsd(folder: string) {
  const port = await freePort()
  const each = families.flatMap((family) =>
    states.map((state) => ({ family, state, name: `${family}-${state}` })),
  )
  const down = each.flatMap(({ family, state }) =>
    pools.flatMap((pool) =>
      members.map((member) => {
        const isDown = ((state >> bitOf(pool, family, member)) & 1) === 1
        return `${addressOf(pool, family, member, state)} => ${isDown ? 'DOWN' : 'UP'}/60`
      }),
    ),
  )
  const resources = (value: (address: string) => string) =>
    each.flatMap(({ family, state, name }) =>
      pools.map((pool) => {
        const entries = members.map(
          (member) => `m${member} => ${value(addressOf(pool, family, member, state))}`,
        )
        return `${name}-${pool} => { ${entries.join(', ')} }`
      }),
    )
  const plugins = { all: 'multifo', weighted: 'weighted' }
  const failovers = selects.flatMap((select) =>
    each.map(({ name }) => {
      const datacenters = pools.map((pool) => `d${pool} => "%${plugins[select]}!${name}-${pool}"`)
      return `${select}-${name} => { datacenters => [ d0, d1 ], dcmap => { ${datacenters.join(', ')} } }`
    }),
  )
  const settings = 'up_thresh => 0.01, service_types => states,'
  const config = `
options => { listen => 127.0.0.1:${port}, run_dir => ${folder}/run, state_dir => ${folder}/state, udp_threads => 1, tcp_threads => 1 }
service_types => { states => { plugin => extfile, file => ${folder}/states, direct => true } }
plugins => {
  multifo => { ${settings} ${resources((address) => address).join('\n')} }
  weighted => { ${settings} ${resources((address) => `[ ${address}, 1 ]`).join('\n')} }
  metafo => { resources => { ${failovers.join('\n')} } }
}
`
  const names = selects.flatMap((select) => each.map(({ name }) => `${select}-${name}`))
  const zone = [
    '@ 60 SOA ns1 hostmaster 1 60 60 60 60',
    '@ NS ns1',
    'ns1 A 192.0.2.1',
    ...names.map((name) => `${name} 30 DYNA metafo!${name}`),
  ]
  await mkdir(join(folder, 'zones'), { recursive: true })
  await writeFile(join(folder, 'states'), `${down.join('\n')}\n`)
  await writeFile(join(folder, 'config'), config)
  await writeFile(join(folder, 'zones', 'example.test'), `${zone.join('\n')}\n`)
  const program = startProgram(findProgram('gdnsd')!, ['-c', folder, 'start'])
  await program.said(/DNS listeners started/)
  return { program, dns: { host: '127.0.0.1', port } }
}

t.test('every state is answered as gdnsd does', { skip: missingPrograms('gdnsd') }, async (t) => {
  // Its control socket has a path of at most 108 octets.
  const folder = await mkdtemp(join(tmpdir(), 'gdnsd-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const gdnsd = await startGdnsd(folder)
  t.teardown(() => gdnsd.program.stop())
  const postgres = await startPostgres()
  t.teardown(() => postgres.stop())
  const daemon = await startDaemonProcess({ env: { DATABASE_URL: await postgres.createDatabase() } })
  t.teardown(() => daemon.stop())
  await put(daemon, '/v1/zones/example.test', { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })
  for (const select of selects) {
    for (const pool of pools) {
      const entries = families.flatMap((family) =>
        members.map((member) => [`${family}-${member}`, { address: addressOf(pool, family, member) }]),
      )
      await put(daemon, `/v1/pools/${select}-${pool}`, { select, members: Object.fromEntries(entries) })
    }
    const service = { pools: pools.map((pool) => `${select}-${pool}`), ttl: 30, whenAllDown: 'serve-all' }
    await put(daemon, `/v1/services/${select}.example.test`, service)
  }
  /** A member, in the pools of both selects. */
  const toggle = async (bit: number, isDown: boolean) => {
    const path = `/v1/overrides/*-${bit >> 2}/${families[(bit >> 1) & 1]}-${bit & 1}`
    if (isDown) return put(daemon, path, { state: 'down' })
    t.equal((await daemon.request(path, { method: 'DELETE' })).status, 204)
  }
  let before = 0
  for (const index of states) {
    // A Gray code: one member changes at a time.
    const state = index ^ (index >> 1)
    const changed = state ^ before
    if (changed !== 0) await toggle(Math.log2(changed), (state & changed) !== 0)
    before = state
    const compared = families.map(async (family) => {
      const type = types[family]
      const fromGdnsd = async (select: string) => {
        const { answers } = await ask(gdnsd.dns, `${select}-${family}-${state}.example.test`, type)
        return asHere(answers, family, state).sort()
      }
      const fromHere = async (select: string) =>
        (await ask(daemon.dns, `${select}.example.test`, type)).answers
      const [theirs, ours, ...drawn] = await Promise.all([
        fromGdnsd('all'),
        fromHere('all'),
        fromGdnsd('weighted'),
        fromHere('weighted'),
      ])
      t.same(ours, theirs, `${type} in state ${state.toString(2).padStart(8, '0')}`)
      // Both draw, each for itself.
      const isOne = drawn.every((answers) => answers.length === 1 && theirs.includes(answers[0]!))
      t.ok(isOne, `${drawn.join(' and ')} are each one of ${theirs}`)
    })
    await Promise.all(compared)
  }
})
