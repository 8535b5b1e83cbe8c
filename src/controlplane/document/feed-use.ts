/** What members, pools and monitors say of feeds in the document. Descriptions complete "must be ...", as in `fields.ts`. */
import { feedNamePattern } from '../model/feed.ts'
import type { Capacity, FedFragments, FedWeight, FeedUse, Scale, Shed } from '../model/feed-use.ts'
import type { Member } from '../model/pool.ts'
import { Duration, Fraction, Text, Whole } from './fields.ts'
import { converted, either, type Form, fieldsOf, list, record } from './forms.ts'

const named = (what: string) =>
  Text(`the name of a ${what}: 1 to 63 lower-case letters, digits and "_" that begin with a letter`, (text) =>
    feedNamePattern.test(text),
  )
const feedName = named('feed')
const columnName = named('column')
const entityText = Text(
  'an entity, a text of 1 to 255 characters in which {member} and {pool} stand for their names',
  (text) => text.length >= 1 && text.length <= 255 && !/\p{Cc}/u.test(text),
)

/** Beyond any unit; a difference of two such numbers is still one. */
export const mostValue = 1e300
export const AnyNumber = Fraction(-mostValue, mostValue, `a number from -${mostValue} to ${mostValue}`)
const AtLeastZero = Fraction(0, mostValue, `a number from 0 to ${mostValue}`)

const maxAge = Duration(1000, 365 * 86_400_000)
const defaultMaxAgeMs = 120_000

/** The fields that every use of a feed has. @param entity what it is where nobody says so */
export function useFields<Use extends FeedUse>(entity: string) {
  const use = fieldsOf<FeedUse>()
  return {
    feed: use.required('feed', feedName),
    entity: use.optional('entity', entityText, entity),
    column: use.required('column', columnName),
    maxAge: use.shown('maxAgeMs', maxAge, defaultMaxAgeMs),
  } satisfies Record<string, unknown> & { readonly [K in keyof Use]?: unknown }
}

const pair = (item: Form<number>, description: string) =>
  list(item, { minItems: 2, maxItems: 2, description }) as unknown as Form<readonly [number, number]>

interface Line {
  readonly from: readonly [number, number]
  readonly to: readonly [number, number]
}
const line = fieldsOf<Line>()
const weightNumber = Fraction(0, 65_535, 'a number from 0 to 65535')
const ScaleForm: Form<Scale> = either<Scale>(
  converted(
    AtLeastZero,
    (factor, path, problems) => {
      if (factor > 0) return factor as Scale
      problems.push({ path, message: 'must be above 0: whatever the value, the weight would be 0' })
      return undefined
    },
    (scale) => scale as number,
  ),
  record(
    {
      from: line.required('from', pair(AnyNumber, 'a list of two values of the column')),
      to: line.required('to', pair(weightNumber, 'a list of the two weights that they come to')),
    },
    {
      description: 'an object with from and to',
      check({ from }, report) {
        if (from !== undefined && from[0] === from[1]) report('must be two different values', 'from')
      },
    },
  ) as Form<Scale>,
  {
    title: 'FeedScale',
    description: 'a factor, or { from: [value, value], to: [weight, weight] }',
    isShort: (scale) => typeof scale === 'number',
  },
)

const ownName = '{member}'

/** The weight of a member in the model: a number, and the feed that says another one. */
export type MemberWeight = Pick<Member, 'weight' | 'weightFeed'>
type LongWeight = FedWeight & { readonly otherwise: number }

/** What a member weighs of which nobody says it. */
export const defaultWeight: MemberWeight = { weight: 100, weightFeed: null }

const plainWeight = Whole(0, 65_535)
const long = fieldsOf<LongWeight>()
export const WeightForm: Form<MemberWeight> = either<MemberWeight>(
  converted(
    plainWeight,
    (weight): MemberWeight => ({ weight, weightFeed: null }),
    ({ weight }) => weight,
  ),
  converted<LongWeight, MemberWeight>(
    record(
      {
        ...useFields<LongWeight>(ownName),
        scale: long.optional('scale', ScaleForm, 1),
        default: long.shown('otherwise', plainWeight, defaultWeight.weight),
      },
      { description: 'an object with feed, entity, column, scale, maxAge and default' },
    ),
    ({ otherwise, ...weightFeed }) => ({ weight: otherwise, weightFeed }),
    ({ weight, weightFeed }) => ({ ...weightFeed!, otherwise: weight }),
  ),
  {
    title: 'MemberWeight',
    description: 'a whole number from 0 to 65535, or an object with feed, column and others',
    isShort: ({ weightFeed }) => weightFeed === null,
  },
)

const shed = fieldsOf<Shed>()
export const ShedForm: Form<Shed> = record(
  {
    ...useFields<Shed>(ownName),
    above: shed.required('above', AnyNumber),
    to: shed.required('to', AnyNumber),
    back: shed.optional('back', AtLeastZero, ({ above = 0, to = 0 }) => Math.max(0, to - above) / 10),
  },
  {
    title: 'Shed',
    description: 'an object with feed, entity, column, above, to, back and maxAge',
    check({ above, to }, report) {
      if (above === undefined || to === undefined || to > above) return
      report(`must be greater than above (${to} <= ${above}): at it all answers go elsewhere`, 'to')
    },
  },
)

const capacity = fieldsOf<Capacity>()
export const CapacityForm: Form<Capacity> = record(
  {
    limit: capacity.required('limit', AtLeastZero),
    ...useFields<Capacity>('{pool}'),
    back: capacity.optional('back', AtLeastZero, ({ limit = 0 }) => limit / 10),
  },
  { title: 'Capacity', description: 'an object with limit, feed, entity, column, back and maxAge' },
)

/** What the table of members keeps of feeds. */
export function formatFed(member: MemberWeight & Pick<Member, 'shed'>): FedFragments {
  return {
    ...(member.weightFeed === null ? {} : { weight: WeightForm.format(member) }),
    ...(member.shed === null ? {} : { shed: ShedForm.format(member.shed) }),
  }
}

/** The same read again; what can't be is as if it were left out. */
export function readFed({ weight, shed }: FedFragments): Pick<Member, 'weightFeed' | 'shed'> {
  const read = <Value>(form: Form<Value>, fragment: unknown) =>
    fragment === undefined ? undefined : form.parse(fragment, '', [])
  return {
    weightFeed: read(WeightForm, weight)?.weightFeed ?? null,
    shed: read(ShedForm, shed) ?? null,
  }
}
