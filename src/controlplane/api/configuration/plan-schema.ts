/** A plan, as a reply tells it: `apply/plan-view.ts`, and what comes with it of a dry run. */
import Type from 'typebox'
import { planActions } from '../../apply/plan-view.ts'
import { GradualCourseView } from '../operations/gradual-view.ts'
import { TextOrNull } from '../schemas.ts'
import { HaltsSchema } from './gradual-apply.ts'
import { ReplaySchema } from './replay-schema.ts'

export const FieldSchema = Type.Object(
  {
    path: Type.String(),
    before: Type.Optional(Type.Unknown()),
    after: Type.Optional(Type.Unknown()),
  },
  { title: 'FieldChange' },
)

const Share = Type.Number({ minimum: 0, maximum: 1 })
const Count = Type.Integer({ minimum: 0 })
/** Whom something concerns. */
export const TheseClients = Type.Object(
  {
    networks: Type.Array(Type.String()),
    moreNetworks: Count,
    allBut: Type.Boolean({
      description: 'whether it is all clients but those in these networks',
    }),
  },
  { description: 'of these clients alone; all when left out' },
)

/** What would move. */
export const effectFields = {
  services: Type.Array(
    Type.Object({
      service: Type.String(),
      types: Type.Array(Type.Enum(['A', 'AAAA'])),
      clients: Type.Optional(TheseClients),
      pools: Type.Array(Type.Object({ pool: Type.String(), before: Share, after: Share })),
      members: Type.Array(
        Type.Object({ pool: Type.String(), member: Type.String(), before: Share, after: Share }),
        { description: 'those whose part of the answers of their pool is another one' },
      ),
      moreMembers: Count,
    }),
  ),
  moreServices: Count,
  unseenServices: Type.Integer({
    minimum: 0,
    description: 'that the change may concern and that were not looked at, for there are too many',
  }),
  leaving: Type.Array(
    Type.Object({
      pool: Type.String(),
      member: Type.String(),
      address: Type.Optional(
        Type.String({ description: 'the one that goes, where the member stays with others' }),
      ),
      safeAfterSeconds: Type.Integer({
        description: 'after the change: when no cache has it any more',
      }),
    }),
    {
      description:
        'members that would be answered no more, and addresses that members would be answered with no more',
    },
  ),
}

export const PlanSchema = Type.Object(
  {
    revision: Type.Integer({
      description: 'what was planned on; `If-Match` with it applies this plan or nothing',
    }),
    changed: Type.Boolean(),
    summary: Type.Object({
      add: Count,
      change: Count,
      remove: Count,
      restate: Count,
      same: Count,
      left: Count,
      removeInside: Count,
    }),
    changes: Type.Array(
      Type.Object({
        kind: Type.String(),
        name: Type.String(),
        action: Type.Enum([...planActions], {
          description:
            '`restate`: the same, written in another way or in the files of somebody else from now on',
        }),
        fields: Type.Array(FieldSchema),
        moreFields: Count,
        rrsets: Type.Optional(
          Type.Object(
            { count: Count, first: Type.Array(Type.String({ description: 'owner and type' })) },
            { description: 'that go with a zone, of the first thousand zones' },
          ),
        ),
        rows: Type.Optional(
          Type.Integer({
            minimum: 0,
            description:
              'about how many rows go with a feed: one that took the place of another counts for both',
          }),
        ),
        owner: Type.Optional(Type.Object({ before: TextOrNull('none'), after: TextOrNull('none') })),
      }),
    ),
    moreChanges: Count,
    effect: Type.Optional(
      Type.Object(effectFields, {
        description:
          'of a dry run: which shares of the answers would move, with what is known of members now',
      }),
    ),
    forgottenAfterSeconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        description:
          'of a plan of one RRset: when no cache has any more what is answered now, after the change',
      }),
    ),
    gradual: Type.Optional(GradualCourseView),
    replay: Type.Optional(ReplaySchema),
    halts: HaltsSchema,
    left: Type.Array(Type.Object({ kind: Type.String(), name: Type.String() }), {
      description: 'what the document does not name, and leaves as it is; the first hundred',
    }),
  },
  { title: 'Plan' },
)
