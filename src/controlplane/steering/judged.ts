/** Pools and services as they are to those that name them: what they are judged to be, and what is said of them as a choice. */
import { leavesOf } from '../../dataplane/image/plan-tree.ts'
import type { Asked } from '../model/family.ts'
import type { OverrideState } from '../model/override.ts'
import type { Choice, Service } from '../model/service.ts'
import { choiceKey, type Option, wordOn } from './compose.ts'
import { spillsSome } from './holes.ts'
import { type PoolJudgement, poolCondition } from './judge.ts'
import { type ChoiceJudgement, isForcedOut, type ServiceJudgement } from './selection.ts'

interface Judged<Kind, Judgement> {
  readonly kind: Kind
  readonly judgement: Judgement
  /** Null when it is down, or not present. */
  readonly option: Option | null
}
export type JudgedPool = Judged<'pool', PoolJudgement>
export type JudgedService = Judged<'service', ServiceJudgement> & {
  /** The operator's word on it as a choice. */
  readonly forced?: OverrideState
}

/** @param why it is used or is not, if it is up */
export function judgeChoice(
  asked: Asked,
  choice: Choice,
  judged: JudgedPool | JudgedService,
  used: boolean,
  why: string,
): ChoiceJudgement {
  const { option } = judged
  const up = option !== null
  const spills = option !== null && spillsSome(option.tree) ? ({ spills: true } as const) : {}
  const state = { key: choiceKey(choice), up, used, latencyMs: option?.latencyMs ?? null, ...spills }
  if (judged.kind === 'service') {
    const { kind, judgement, forced } = judged
    const downFor = judgement.present ? 'down: none of its choices is up' : absence(asked)
    if (forced === undefined) return { ...state, kind, judgement, why: up ? why : downFor }
    const said = up ? `${why}; ${wordOn(forced)}` : isForcedOut(forced) ? wordOn(forced) : downFor
    return { ...state, kind, judgement, why: said, forced }
  }
  const { kind, judgement } = judged
  if (!judgement.present) return { ...state, kind, judgement, why: absence(asked) }
  const { reason } = poolCondition(judgement)
  if (judged.option === null) return { ...state, kind, judgement, why: `down: ${reason}` }
  const { by } = leavesOf(judged.option.tree)[0]!
  const own = by === 'up' ? '' : `; down (${reason}), answers by its own ${by}`
  return { ...state, kind, judgement, why: `${why}${own}${fullness(judgement)}` }
}

function fullness({ pool, full }: PoolJudgement): string {
  if (full === null || full.share === 0) return ''
  const { reading } = full
  return `; full: ${reading!.value} of ${pool.capacity!.limit}, ${percentText(full.share)} of its answers go elsewhere if they can`
}

/** Such as `33.3 %`. */
export function percentText(share: number): string {
  return `${Math.round(share * 1000) / 10} %`
}

/** Why a choice of which there is nothing for the question is neither up nor down. */
function absence(asked: Asked): string {
  return `no choice: has no ${asked === 'ipv6' ? 'IPv6' : 'IPv4'} address`
}

/** Stands for one that is named and not there: it is down. */
export function missingService(name: string): Service {
  return {
    name,
    ttlSeconds: 0,
    minTtlSeconds: null,
    steer: 'failover',
    choices: [],
    geo: null,
    hashPrefix: { ipv4: 32, ipv6: 128 },
    hysteresis: 0,
    whenAllDown: 'servfail',
    fallback: null,
  }
}
