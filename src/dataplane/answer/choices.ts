/**
 * Which way the choices of a query went, for whoever explains an answer: for each service that it met, the plan and the way
 * through its tree. Bounded by the services of one chain and the depth of a plan; one object is filled again for each query.
 */
import { maxPlanDepth, type PlanWalk } from '../image/plan.ts'

export class Choices {
  /** Services met. */
  count = 0
  readonly #plans: Int32Array
  /** 1 where it was asked for AAAA. */
  readonly #ipv6: Uint8Array
  readonly #leaves: Int32Array
  readonly #lengths: Uint8Array
  readonly #children: Int32Array

  /** @param services that one query can meet */
  constructor(services: number) {
    this.#plans = new Int32Array(services)
    this.#ipv6 = new Uint8Array(services)
    this.#leaves = new Int32Array(services)
    this.#lengths = new Uint8Array(services)
    this.#children = new Int32Array(services * maxPlanDepth)
  }

  /** Begins with a service that was met. */
  begin(plan: number, ipv6: boolean): void {
    this.#plans[this.count] = plan
    this.#ipv6[this.count] = ipv6 ? 1 : 0
    this.#lengths[this.count++] = 0
  }

  step(child: number): void {
    const service = this.count - 1
    this.#children[service * maxPlanDepth + this.#lengths[service]!++] = child
  }

  end(leaf: number): void {
    this.#leaves[this.count - 1] = leaf
  }

  /** The choices in the order in which their services were met. */
  list(): PlanWalk[] {
    return Array.from({ length: this.count }, (_, service) => ({
      plan: this.#plans[service]!,
      ipv6: this.#ipv6[service] === 1,
      leaf: this.#leaves[service]!,
      way: Array.from(this.#children.subarray(service * maxPlanDepth).subarray(0, this.#lengths[service])),
    }))
  }
}
