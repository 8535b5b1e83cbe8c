/** A pool with more members than any message holds, asked as clients and operators ask. */
import t from 'tap'
import type { ExplainReply } from '../../src/controlplane/api/operations/explain.ts'
import { startDaemonProcess } from '../support/daemon.ts'
import { query, readResponse, TcpClient, UdpClient } from '../support/dns-client.ts'
import { put, soa } from './fixture.ts'

t.test(
  '2,500 IPv6 members: as many as fit over TCP, all of them in turn, and an operator is told',
  async (t) => {
    await using daemon = await startDaemonProcess({ env: { POOLDNS_WORKERS: '1' } })
    await put(daemon, '/v1/zones/example.test', { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })
    const members = Object.fromEntries(
      Array.from({ length: 2500 }, (_, i) => [`m${i}`, { address: `2001:db8::${(i + 1).toString(16)}` }]),
    )
    await put(daemon, '/v1/pools/web', { select: 'all', members })
    await put(daemon, '/v1/services/www.example.test', { pools: ['web'] })

    await using udp = await UdpClient.open(daemon.dns)
    const asking = query('www.example.test', 'AAAA', { edns: {} })
    t.match(readResponse(await udp.exchange(asking)), { flags: 'qr aa tc rd', answer: [] })

    using tcp = await TcpClient.open(daemon.dns)
    const seen = new Set<string>()
    // The turn goes on by one with each answer, so 162 behind the first all have had theirs.
    for (let i = 0; i < 170; i++) {
      const octets = (await tcp.exchange(asking))!
      if (i % 42 !== 0) continue // reading 64 KiB as text takes its time
      const { flags, answer } = readResponse(octets)
      if (flags !== 'qr aa rd' || answer.length < 2300) t.fail(`answer ${i}`, { flags, count: answer.length })
      for (const line of answer) seen.add(line)
    }
    t.equal(seen.size, 2500)

    const words = 'of 2500 IPv6 addresses at most 2339 in one answer, in turn'
    const shown = await daemon.request('/v1/services/www.example.test')
    const service = (await shown.json()) as { status: { state: string; reason: string } }
    t.match(service.status, { state: 'up' })
    t.ok(service.status.reason.includes(words), service.status.reason)
    const explained = await daemon.request('/v1/explain?name=www.example.test&type=AAAA&client=192.0.2.1')
    const { services, answer } = (await explained.json()) as Pick<ExplainReply, 'services' | 'answer'>
    t.ok(services[0]!.why.includes(words), services[0]!.why)
    t.equal(answer.byChance, true, 'the next answer is another one')
    t.ok(answer.records.length > 2300)

    const told = async (query: string) => {
      const url = `/v1/explain?name=www.example.test&type=AAAA&client=192.0.2.1${query}`
      const { services } = (await (await daemon.request(url)).json()) as Pick<ExplainReply, 'services'>
      const { members, moreMembers } = services[0]!.pools[0]!
      return { names: members.map(({ name }) => name), moreMembers }
    }
    const usual = await told('')
    t.equal(usual.names.length, 500)
    t.equal(usual.moreMembers, 2000)
    t.equal((await told('&members=4096')).names.length, 2500)
    t.same(await told('&members=0'), { names: [], moreMembers: 2500 })
    t.equal((await told('&members=1&find=m2499')).names[0], 'm2499')
    t.equal((await told(`&members=1&find=2001:db8::${(777).toString(16)}`)).names[0], 'm776')
    const override = { state: 'drain', reason: 'a test' }
    await put(daemon, '/v1/pools/web/members/m1234/override', override)
    const { names } = await told('&members=2340')
    t.ok(names.includes('m1234'), 'who is held comes before all that are as they should be')
    t.equal((await daemon.request('/v1/explain?name=www.example.test&members=-1')).status, 400)
  },
)
