/** What is asked for when a token is made, as JSON. */
import Type from 'typebox'
import type { Problem } from '../model/errors.ts'
import type { Limits } from '../model/reach.ts'
import { type TokenWish, tokenScopes } from '../model/token.ts'
import { DomainPattern, InstantTextOrNull, Name, Pattern, Text, Words } from './fields.ts'
import { type Form, fieldsOf, list, type RecordForm, record } from './forms.ts'

export const Scopes = list(Words(tokenScopes), {
  minItems: 1,
  maxItems: tokenScopes.length,
  uniqueItems: true,
  description: `at least one of ${tokenScopes.join(', ')}, none of them twice`,
})

/** Bounds what each request with the token costs. */
const mostPatterns = 32

const namePatterns = list(Pattern, { minItems: 1, maxItems: mostPatterns })
const domainPatterns = list(DomainPattern, { minItems: 1, maxItems: mostPatterns })
const limit = fieldsOf<Limits>()

const LimitsForm: RecordForm<Limits> = record(
  {
    zones: limit.optional('zones', domainPatterns, undefined),
    pools: limit.optional('pools', namePatterns, undefined),
    services: limit.optional('services', domainPatterns, undefined),
    monitors: limit.optional('monitors', namePatterns, undefined),
    feeds: limit.optional('feeds', namePatterns, undefined),
  },
  {
    check: (limits, report) => {
      if (Object.values(limits).every((patterns) => patterns === undefined)) {
        report('must have patterns of one kind at least; null is for no limits')
      }
    },
    title: 'TokenLimits',
    description:
      'an object with patterns for the names of zones, pools, services, monitors or feeds, such as { zones: ["*.example.test"] }',
  },
)

export const Limited: Form<Limits | null> = {
  ...LimitsForm,
  schema: Type.Union([LimitsForm.schema, Type.Null()], {
    description:
      'what the token is limited to: it reaches nothing of a kind without patterns; null for everything',
  }),
  parse: (input, path, problems) => (input === null ? null : LimitsForm.parse(input, path, problems)),
  format: (limits, whole) => limits && LimitsForm.format(limits, whole),
}

const longestDescription = 200
const Description = Text(
  `a text of at most ${longestDescription} characters`,
  (text) => text.length <= longestDescription,
)

const field = fieldsOf<TokenWish>()
export const tokenForm: RecordForm<TokenWish> = record(
  {
    name: field.required('name', Name),
    scopes: field.optional('scopes', Scopes, [tokenScopes[0]]),
    limits: field.optional('limits', Limited, null),
    expiresAt: field.optional('expiresAt', InstantTextOrNull, null),
    description: field.optional('description', Description, ''),
  },
  { title: 'TokenWish', description: 'an object with name, scopes, limits, expiresAt and description' },
)

export function parseTokenWish(input: unknown, now: Date, problems: Problem[]): TokenWish | undefined {
  const wish = tokenForm.parse(input, '', problems)
  if (wish === undefined || wish.expiresAt === null || wish.expiresAt > now) return wish
  problems.push({ path: 'expiresAt', message: 'must lie in the future' })
  return undefined
}
