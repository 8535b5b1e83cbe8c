/** The bytes that the kernel would read and write; what it makes of them is in `udp-batch.test.ts`. */
import t from 'tap'
import { BatchBuffers, headerOctets } from '../../../src/dataplane/listener/batch-buffers.ts'
import { parseAddress } from '../../../src/dataplane/wire/address.ts'

const base = 0x7f00_1234_0000
const solIpv6 = 41
const ipv6Pktinfo = 50
const ipPktinfo = 8
const soRxqOvfl = 40

/** Buffers of which every octet is in sight. */
function make(ipv6: boolean, pktinfo: boolean) {
  let memory!: Uint8Array
  const buffers = new BatchBuffers({ ipv6, pktinfo }, (view) => {
    memory = view
    return base
  })
  const view = new DataView(memory.buffer)
  const pointer = (at: number) => Number(view.getBigUint64(at, true)) - base
  const receive = (slot: number) => buffers.receiveVector - base + slot * headerOctets
  const send = (place: number) => buffers.sendVector - base + place * headerOctets
  /** As the kernel leaves the control messages of a request. */
  const receiveControl = (slot: number, messages: readonly (readonly [number, number, Uint8Array])[]) => {
    let at = pointer(receive(slot) + 32)
    const start = at
    for (const [level, type, data] of messages) {
      view.setBigUint64(at, BigInt(16 + data.length), true)
      view.setInt32(at + 8, level, true)
      view.setInt32(at + 12, type, true)
      memory.set(data, at + 16)
      at += (16 + data.length + 7) & ~7
    }
    view.setBigUint64(receive(slot) + 40, BigInt(at - start), true)
  }
  /** The data of the control message that goes along with a response, or null. */
  const sentControl = (place: number) => {
    const length = Number(view.getBigUint64(send(place) + 40, true))
    if (length === 0) return null
    const at = pointer(send(place) + 32)
    return memory.slice(at + 16, at + Number(view.getBigUint64(at, true)))
  }
  return { buffers, memory, view, pointer, receive, send, receiveControl, sentControl }
}

const bytes = (...parts: readonly (string | readonly number[])[]) =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'string' ? [...parseAddress(part)!] : part)))

t.test('requests and responses lie where the headers say, and do not overlap', async (t) => {
  const { buffers, memory, view, pointer, receive, send } = make(false, false)
  const taken: [number, number][] = []
  for (const [slot, request] of buffers.requests.entries()) {
    const iovec = pointer(receive(slot) + 16)
    t.equal(pointer(iovec), request.byteOffset)
    t.equal(Number(view.getBigUint64(iovec + 8, true)), request.length)
    taken.push([request.byteOffset, request.length], [pointer(receive(slot)), 32])
    taken.push([pointer(receive(slot) + 32), Number(view.getBigUint64(receive(slot) + 40, true))])
  }
  for (const [place, response] of buffers.responses.entries()) {
    t.equal(pointer(pointer(send(place) + 16)), response.byteOffset)
    taken.push([response.byteOffset, response.length])
  }
  taken.sort(([a], [b]) => a - b)
  for (const [i, [start, length]] of taken.entries()) {
    t.ok(start + length <= (taken[i + 1]?.[0] ?? memory.length))
  }
})

t.test('a response goes to where its request came from', async (t) => {
  const { buffers, view, pointer, receive, send } = make(false, false)
  buffers.stage(0, 5, 99)
  t.equal(pointer(send(0)), pointer(receive(5)))
  t.equal(view.getUint32(send(0) + 8, true), 16)
  t.equal(Number(view.getBigUint64(pointer(send(0) + 16) + 8, true)), 99)
})

t.test('it leaves from the address that was asked, by the interface that the routes say', async (t) => {
  const ipv4 = make(false, true)
  ipv4.receiveControl(3, [[0, ipPktinfo, bytes([7, 0, 0, 0], '127.0.0.2', '127.0.0.3')]])
  ipv4.buffers.stage(0, 3, 10)
  t.same(ipv4.sentControl(0), bytes([0, 0, 0, 0], '127.0.0.2', '0.0.0.0'))

  const ipv6 = make(true, true)
  ipv6.receiveControl(3, [[solIpv6, ipv6Pktinfo, bytes('2001:db8::1', [7, 0, 0, 0])]])
  ipv6.buffers.stage(0, 3, 10)
  t.same(ipv6.sentControl(0), bytes('2001:db8::1', [0, 0, 0, 0]))

  // fe80::/10 needs its interface; fec0:: is outside of it.
  for (const [address, kept] of [
    ['fe80::1', 7],
    ['febf::1', 7],
    ['fec0::1', 0],
  ] as const) {
    ipv6.receiveControl(3, [[solIpv6, ipv6Pktinfo, bytes(address, [7, 0, 0, 0])]])
    ipv6.buffers.stage(1, 3, 10)
    t.same(ipv6.sentControl(1), bytes(address, [kept, 0, 0, 0]), address)
  }
})

t.test('a request without control messages leaves the choice to the system', async (t) => {
  const { buffers, receiveControl, sentControl } = make(true, true)
  receiveControl(0, [])
  buffers.stage(0, 0, 10)
  t.equal(sentControl(0), null)
})

t.test('drops of the kernel stand beside other messages', async (t) => {
  const { buffers, receiveControl } = make(false, true)
  const pktinfo = bytes([1, 0, 0, 0], '127.0.0.1', '127.0.0.1')
  receiveControl(0, [[0, ipPktinfo, pktinfo]])
  t.equal(buffers.kernelDrops(0), -1)
  receiveControl(0, [
    [1, soRxqOvfl, Uint8Array.of(1, 0, 0, 0x80)],
    [0, ipPktinfo, pktinfo],
  ])
  t.equal(buffers.kernelDrops(0), 0x8000_0001)
  buffers.reset(1)
})
