/**
 * Wrong tokens, counted by client (IPv4 address or /64). Each client has `burst` of them, and gets one back every
 * `refillMs`; beyond that a wrong token is answered 429 and costs its sender the connection.
 *
 * ## Why a right token is never refused
 * Many clients share an address: behind a translator, or a proxy that isn't trusted. If wrong tokens of one could lock the
 * others out, anybody could keep an operator from draining a member. So what is counted is the wrong ones alone, and a token
 * is looked at first. That leaves a guesser his guesses, slowly; that none of them is right is for the length of tokens to see
 * to: 24 characters for the admin's, 256 random bits for all others.
 *
 * Rejected: to let nothing but known tokens through meanwhile. The first use of a new token, or of any after a restart, would
 * then be the attacker's to forbid.
 */
import { LeastRecentMap } from '../../health/probes/least-recent.ts'
import { clientNetwork } from './client-network.ts'

const burst = 50
const refillMs = 3000
/** Clients that are counted at once; the one whose last wrong token is longest ago is forgotten. */
const mostClients = 10_000

interface Account {
  left: number
  /** Of the monotonic clock: when `left` was right. */
  at: number
}

export class WrongTokens {
  readonly #accounts = new LeastRecentMap<string, Account>(mostClients)
  readonly #clock: () => number

  /** @param clock milliseconds that never go back */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock
  }

  /**
   * Takes note of a wrong token.
   *
   * @param client its address
   * @returns seconds after which the client may be wrong again; 0 while it may be now
   */
  note(client: string): number {
    const network = clientNetwork(client)
    const now = this.#clock()
    const { left, at } = this.#accounts.get(network) ?? { left: burst, at: now }
    const refilled = Math.min(burst, left + (now - at) / refillMs)
    // What is beyond the limit isn't held against anybody: a client that goes on gets as much as one that waits.
    const allowed = refilled >= 1
    this.#accounts.set(network, { left: allowed ? refilled - 1 : refilled, at: now })
    return allowed ? 0 : Math.ceil(((1 - refilled) * refillMs) / 1000)
  }
}
