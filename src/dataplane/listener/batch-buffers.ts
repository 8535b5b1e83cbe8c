/**
 * The memory that one socket's batches live in, and that the kernel reads and writes by address: one allocation with one
 * owner, made once, kept for as long as the socket. A view that nobody holds would be collected while the kernel still
 * writes to it.
 *
 * ## Slots
 * There are `batchSize` slots. A request keeps its slot's octets, peer address and control messages; responses are staged
 * from the first slot on without gaps, each with the peer address of the request that it answers, so that one system
 * call sends them all. Layouts are the kernel's for 64 bits, little-endian:
 *
 *     mmsghdr   name u64 · name length u32 · u32 · iovec u64 · iovecs u64 · control u64 · control length u64 · flags u32 · u32
 *               · octets u32 · u32
 *     iovec     base u64 · length u64
 *     cmsghdr   length u64 · level i32 · type i32, then data, padded to 8
 *
 * A longer request is cut at `maxRequestOctets`: no query that a client means is that long, and one that is cut within what
 * counts is malformed.
 */
import type { Client } from '../answer/client.ts'
import { ednsPayload } from '../wire/constants.ts'
import { isAnswered } from './source-ports.ts'
import { linux } from './syscalls.ts'

/** Datagrams received or sent by one system call at the most. */
export const batchSize = 64
/** Octets of a request that are looked at. */
export const maxRequestOctets = 4096

/** Size of a mmsghdr. */
export const headerOctets = 64
const iovecOctets = 16
const nameOctets = 32
const controlOctets = 96
const controlHead = 16
/** A little more than a response, so that the slots do not all begin at the same place of the cache. */
const responseStride = ednsPayload + 48
const requestStride = maxRequestOctets + 64

/** Octets of a sockaddr: of IPv4, of IPv6. */
export const sockaddrOctets = { ipv4: 16, ipv6: 28 } as const

/** Offsets in a mmsghdr, in octets. */
const at = {
  name: 0,
  nameLength: 8,
  iovec: 16,
  iovecs: 24,
  control: 32,
  controlLength: 40,
  octets: 56,
} as const
/** Offset of the address in the data of IP_PKTINFO (struct in_pktinfo: interface, source to send from, destination). */
const ipv4SourceAt = 4

export interface BatchBuffersOptions {
  /** The socket's family. */
  readonly ipv6: boolean
  /** Whether responses leave from the address that was asked, which a socket on a wildcard address must be told. */
  readonly pktinfo: boolean
}

export class BatchBuffers {
  /** The requests by slot. */
  readonly requests: readonly Uint8Array[]
  /** The responses by place in the batch that is staged. */
  readonly responses: readonly Uint8Array[]
  /** Addresses to give to recvmmsg and sendmmsg. */
  readonly receiveVector: number
  readonly sendVector: number
  readonly #bytes: Uint8Array
  readonly #words: Int32Array
  readonly #base: number
  readonly #ipv6: boolean
  readonly #pktinfo: boolean
  readonly #receive: number
  readonly #send: number
  readonly #sendIovecs: number
  readonly #names: number
  readonly #receiveControl: number
  readonly #sendControl: number
  #free = 0

  constructor(options: BatchBuffersOptions, address: (view: Uint8Array) => number) {
    this.#ipv6 = options.ipv6
    this.#pktinfo = options.pktinfo
    const slot =
      2 * (headerOctets + iovecOctets + controlOctets) + nameOctets + requestStride + responseStride
    const buffer = new ArrayBuffer(batchSize * slot)
    this.#bytes = new Uint8Array(buffer)
    this.#words = new Int32Array(buffer)
    this.#base = address(this.#bytes)
    this.#receive = this.#reserve(headerOctets)
    this.#send = this.#reserve(headerOctets)
    const receiveIovecs = this.#reserve(iovecOctets)
    this.#sendIovecs = this.#reserve(iovecOctets)
    this.#names = this.#reserve(nameOctets)
    this.#receiveControl = this.#reserve(controlOctets)
    this.#sendControl = this.#reserve(controlOctets)
    const requests = this.#reserve(requestStride)
    const responses = this.#reserve(responseStride)
    this.receiveVector = this.#base + this.#receive
    this.sendVector = this.#base + this.#send
    this.requests = this.#views(requests, requestStride, maxRequestOctets)
    this.responses = this.#views(responses, responseStride, ednsPayload)
    for (let i = 0; i < batchSize; i++) {
      const receive = this.#receive + i * headerOctets
      this.#link(receive, receiveIovecs + i * iovecOctets, requests + i * requestStride, maxRequestOctets)
      this.#pointTo(receive + at.name, this.#names + i * nameOctets)
      this.#pointTo(receive + at.control, this.#receiveControl + i * controlOctets)
      const send = this.#send + i * headerOctets
      this.#link(send, this.#sendIovecs + i * iovecOctets, responses + i * responseStride, 0)
      this.#put(send + at.nameLength, options.ipv6 ? sockaddrOctets.ipv6 : sockaddrOctets.ipv4)
      this.#pointTo(send + at.control, this.#sendControl + i * controlOctets)
    }
    this.reset(batchSize)
  }

  /** Makes the first `count` slots ready to receive again: the kernel has written lengths over the room that there is. */
  reset(count: number): void {
    for (let i = 0; i < count; i++) {
      const header = this.#receive + i * headerOctets
      this.#put(header + at.nameLength, nameOctets)
      this.#put(header + at.controlLength, controlOctets)
    }
  }

  requestLength(slot: number): number {
    return this.#words[(this.#receive + slot * headerOctets + at.octets) >> 2]!
  }

  /** Whether the request has a port that can be answered. */
  hasPort(slot: number): boolean {
    const name = this.#names + slot * nameOctets
    return isAnswered((this.#bytes[name + 2]! << 8) | this.#bytes[name + 3]!)
  }

  /** Reads who sent the request. An IPv4 client of an IPv6 socket comes as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). */
  readClient(slot: number, client: Client): void {
    const name = this.#names + slot * nameOctets
    client.port = (this.#bytes[name + 2]! << 8) | this.#bytes[name + 3]!
    const words = this.#words
    const address = (name + 8) >> 2
    const mapped = (words[address]! | words[address + 1]!) === 0 && words[address + 2] === -0x1_0000
    if (!this.#ipv6) client.setOctets(this.#bytes, name + 4, 4)
    else if (mapped) client.setOctets(this.#bytes, name + 20, 4)
    else client.setOctets(this.#bytes, name + 8, 16)
  }

  /** Puts response number `place`, `length` octets that are in `responses[place]` already, on its way to where `slot` came from. */
  stage(place: number, slot: number, length: number): void {
    this.#put(this.#sendIovecs + place * iovecOctets + 8, length)
    const header = this.#send + place * headerOctets
    this.#pointTo(header + at.name, this.#names + slot * nameOctets)
    if (this.#pktinfo) this.#stageSource(place, slot)
  }

  /**
   * How many datagrams the kernel had dropped, for want of room in the queue, when it queued the request: a count since the
   * socket was made, modulo 2^32. -1 when it has dropped none.
   */
  kernelDrops(slot: number): number {
    const message = this.#findControl(slot, linux.solSocket, linux.soRxqOvfl)
    return message < 0 ? -1 : this.#words[(message + controlHead) >> 2]! >>> 0
  }

  /** The address that was asked becomes the one that answers; the interface is for the routing table to choose. */
  #stageSource(place: number, slot: number): void {
    const header = this.#send + place * headerOctets
    const control = this.#sendControl + place * controlOctets
    const level = this.#ipv6 ? linux.solIpv6 : linux.solIp
    const type = this.#ipv6 ? linux.ipv6Pktinfo : linux.ipPktinfo
    const received = this.#findControl(slot, level, type)
    const dataOctets = this.#ipv6 ? 20 : 12
    this.#put(header + at.controlLength, received < 0 ? 0 : (controlHead + dataOctets + 7) & ~7)
    if (received < 0) return
    const bytes = this.#bytes
    for (let i = 0; i < controlHead + dataOctets; i++) bytes[control + i] = bytes[received + i]!
    const data = control + controlHead
    const linkLocal = this.#ipv6 && bytes[data] === 0xfe && (bytes[data + 1]! & 0xc0) === 0x80
    // A link-local address means nothing without its interface.
    if (!linkLocal) this.#put(this.#ipv6 ? data + 16 : data, 0)
    if (!this.#ipv6) this.#put(data + ipv4SourceAt + 4, 0)
  }

  /** Offset of a control message of the request, or -1. */
  #findControl(slot: number, level: number, type: number): number {
    const words = this.#words
    const control = this.#receiveControl + slot * controlOctets
    const end = control + words[(this.#receive + slot * headerOctets + at.controlLength) >> 2]!
    for (let message = control; message < end; ) {
      if (words[(message + 8) >> 2] === level && words[(message + 12) >> 2] === type) return message
      message += (words[message >> 2]! + 7) & ~7
    }
    return -1
  }

  #reserve(octets: number): number {
    const start = this.#free
    this.#free += batchSize * octets
    return start
  }

  #views(start: number, stride: number, length: number): Uint8Array[] {
    return Array.from({ length: batchSize }, (_, i) => {
      return this.#bytes.subarray(start + i * stride, start + i * stride + length)
    })
  }

  #link(header: number, iovec: number, data: number, length: number): void {
    this.#pointTo(header + at.iovec, iovec)
    this.#put(header + at.iovecs, 1)
    this.#pointTo(iovec, data)
    this.#put(iovec + 8, length)
  }

  #put(offset: number, value: number): void {
    this.#words[offset >> 2] = value
  }

  #pointTo(offset: number, target: number): void {
    const address = this.#base + target
    this.#words[offset >> 2] = address
    this.#words[(offset >> 2) + 1] = address / 0x1_0000_0000
  }
}
