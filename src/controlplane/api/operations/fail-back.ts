/**
 * Lets a member come back whose monitor says `failBack: manual`. Every node has its own measurement of a member, so
 * the word goes through the change feed, which reaches them all and is on record.
 */
import type { FastifyInstance } from 'fastify'
import { ControlError } from '../../model/errors.ts'
import { formatMemberKey } from '../../model/member-key.ts'
import { getMember } from '../../store/members.ts'
import { authorOf } from '../author.ts'
import { notFound } from '../configuration/resource.ts'
import type { Ground, Observations } from '../context.ts'
import { done, guarded, paramsOf, WriteQuery } from '../schemas.ts'
import { awaitPublished } from '../writes.ts'
import { wordsOnMembers } from './words.ts'

export function failBackRoutes(app: FastifyInstance, context: Ground & Observations): void {
  const url = '/v1/pools/:name/members/:member/fail-back'
  const summary = 'Lets a member come back that answers again and waits for it'
  const taken = { params: paramsOf(url), querystring: WriteQuery }
  const schema = guarded(
    { tag: 'member', id: 'failBackMember', summary },
    done('It may come back.'),
    [404, 409],
    taken,
  )
  app.post(url, { schema, config: wordsOnMembers }, async (request, reply) => {
    const { name: pool, member } = request.params as { name: string; member: string }
    const { revision } = await context.database.write(authorOf(request), async (write) => {
      if ((await getMember(write.tx, pool, member)) === null)
        throw notFound(`member ${member} of pool ${pool}`)
      if (!context.health.waitsForFailBack(pool, member)) {
        throw new ControlError('conflict', `member ${member} of pool ${pool} does not wait for a fail-back`)
      }
      const key = formatMemberKey({ pool, member })
      write.change('fail-back', key)
      write.audit('member.fail-back', key, null, {})
      write.say(`fail-back of ${key}`)
    })
    await awaitPublished(context, revision, reply)
    return reply.code(204).send()
  })
}
