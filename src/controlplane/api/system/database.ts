/** What an operator says of the database itself. */
import type { FastifyInstance } from 'fastify'
import { acceptDatabase } from '../../store/revision.ts'
import type { Ground } from '../context.ts'
import { done, guarded } from '../schemas.ts'
import { awaitPublished } from '../writes.ts'

export function databaseRoutes(app: FastifyInstance, context: Ground): void {
  const summary = 'Says that the database is meant to be empty, or another one than before, for the admin'
  const schema = guarded(
    { tag: 'database', id: 'acceptEmptyDatabase', summary },
    done('Every node serves what the database holds.'),
    [409],
    {
      description:
        'A database that is empty and was not before, or that is not the one of before, is more often a mistake than a wish. So nodes ' +
        'go on with what they had from it, ' +
        'and take no changes, until this has been said to one of them.',
    },
  )
  app.post('/v1/database/accept-empty', { schema, config: { access: 'admin' } }, async (request, reply) => {
    const { revision } = await context.database.write(
      request.actor,
      (write) => acceptDatabase(write, context.database.expected),
      'empty',
    )
    await awaitPublished(context, revision, reply)
    return reply.code(204).send()
  })
}
