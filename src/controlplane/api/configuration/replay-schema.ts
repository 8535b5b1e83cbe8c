/** What a replay has found, as the API tells it. */
import Type from 'typebox'
import { TextOrNull } from '../schemas.ts'

const Share = Type.Number({ minimum: 0, maximum: 1 })
const Count = Type.Integer({ minimum: 0 })

const pool = TextOrNull('nobody answers')
const country = TextOrNull('not known')

const Moves = Type.Array(Type.Object({ from: pool, to: pool, share: Share }), {
  description: 'from pool to pool, the largest first',
})

const changes = {
  otherRcode: Share,
  otherData: Type.Number({
    minimum: 0,
    maximum: 1,
    description:
      'the same rcode, but other RRs that no service chooses, or none instead of some; TTLs do not count',
  }),
  otherPool: Share,
}

export const ReplaySchema = Type.Object(
  {
    sample: Type.Object({
      questions: Type.Integer({ description: 'that were replayed' }),
      held: Type.Integer({ description: 'by the sample; more than were replayed when time was up' }),
      standsFor: Count,
      overSeconds: Type.Union([Type.Integer(), Type.Null()], { description: 'null without any' }),
      enough: Type.Boolean({ description: 'whether there are enough of them to say anything' }),
      overTcp: Share,
    }),
    changes: Type.Object(changes, { description: 'shares of all questions' }),
    services: Type.Array(
      Type.Object({
        service: Type.String(),
        questions: Count,
        enough: Type.Boolean({ description: 'whether there are enough to say anything of it alone' }),
        share: Type.Number({ minimum: 0, maximum: 1, description: 'of all questions' }),
        pools: Type.Array(Type.Object({ pool, before: Share, after: Share })),
        moves: Moves,
        otherMember: Type.Number({
          minimum: 0,
          maximum: 1,
          description: 'share of its questions that another member answers first',
        }),
        countries: Type.Array(Type.Object({ country, share: Share, moves: Moves })),
      }),
      { description: 'those that are answered otherwise' },
    ),
    moreServices: Count,
    zones: Type.Array(Type.Object({ zone: TextOrNull('none of ours'), share: Share, ...changes })),
    moreZones: Count,
    names: Type.Array(
      Type.Object({
        name: Type.String(),
        type: Type.String(),
        share: Type.Number({ minimum: 0, maximum: 1, description: 'of all questions' }),
        before: Type.String({ description: 'rcode, or NODATA or REFERRAL' }),
        after: Type.String(),
      }),
      { description: 'that get another rcode or other data' },
    ),
    moreNames: Count,
    countries: Type.Union([Type.Array(Type.Object({ country, share: Share, ...changes })), Type.Null()], {
      description: 'null without location data',
    }),
  },
  {
    title: 'Replay',
    description: 'with `replay`: what would be other in the answers to the questions of the last minutes',
  },
)
