/** Where documents go: to a running server, or straight into its database. */
import { UsageError } from '../../config.ts'
import { applyDocument, planDocument } from '../../controlplane/apply/apply.ts'
import { exportDocument } from '../../controlplane/apply/export.ts'
import { viewPlan } from '../../controlplane/apply/plan-view.ts'
import { readDocument } from '../../controlplane/document/document.ts'
import type { Body } from '../../controlplane/document/forms.ts'
import { author, requireOwnDatabase, withOwnDatabase } from '../own-database.ts'
import { serverOptions, theServer } from '../server-choice.ts'
import type { PlannedEffect } from './plan-text.ts'

export const targetOptions = {
  database: {
    type: 'boolean',
    summary: 'work on the database itself (DATABASE_URL, or the embedded one of a server that is stopped)',
  },
  ...serverOptions,
} as const

export interface Given {
  readonly database?: boolean | undefined
  readonly server?: string | undefined
  readonly token?: string | undefined
}

/** A course as the API takes it. */
export interface GradualRequest {
  readonly gradual: string
  readonly steps?: string | undefined
  readonly haltWhen?: string | undefined
}

export interface ApplyRequest {
  readonly document: Readonly<Record<string, unknown>>
  readonly prune: boolean
  readonly message?: string | undefined
  /** Left out for all at once. */
  readonly course?: GradualRequest | undefined
  /** Whether every change and field is told. */
  readonly all?: boolean | undefined
  /** What was planned on; null for whatever there is. */
  readonly revision: number | null
}

export interface DocumentTarget {
  /** @param replays whether it is tried on the questions of the last minutes, which a server alone knows */
  plan(request: ApplyRequest, replays?: boolean): Promise<PlannedEffect>
  /** Throws a `ControlError` when the configuration has changed since it was planned. */
  apply(request: ApplyRequest): Promise<PlannedEffect & { readonly appliedAs: number }>
  /** @param owner null for everything */
  export(owner: string | null): Promise<Body>
}

/** @throws UsageError when no token is known for the server */
export function documentTarget(given: Given): DocumentTarget {
  if (given.database !== true) return ofServer(theServer(given, process.env))
  requireOwnDatabase(process.env)
  return ownDatabase
}

type Server = ReturnType<typeof theServer>

function ofServer(server: Server): DocumentTarget {
  const put = async (request: ApplyRequest, dryRun: boolean, replays = false) => {
    const query = new URLSearchParams({
      ...(replays ? { replay: 'true' } : {}),
      ...(dryRun ? { dryRun: 'true' } : {}),
      ...(request.prune ? { prune: 'true' } : {}),
      ...(request.all === true ? { all: 'true' } : {}),
      ...(request.message === undefined ? {} : { message: request.message }),
      ...Object.fromEntries(Object.entries(request.course ?? {}).filter(([, text]) => text !== undefined)),
    })
    const response = await server.ask(`/v1/config?${query}`, {
      method: 'PUT',
      headers: {
        'content-type': 'application/json',
        ...(request.revision === null ? {} : { 'if-match': `"${request.revision}"` }),
      },
      body: JSON.stringify(request.document),
    })
    const plan = (await response.json()) as PlannedEffect
    return { ...plan, appliedAs: Number(response.headers.get('etag')?.replaceAll('"', '')) }
  }
  return {
    plan: (request, replays) => put(request, true, replays),
    apply: (request) => put(request, false),
    export: async (owner) => {
      const query = owner === null ? '' : `?${new URLSearchParams({ owner })}`
      return (await (await server.ask(`/v1/config${query}`)).json()) as Body
    },
  }
}

function optionsOf({ document, prune, course, revision }: ApplyRequest) {
  if (course !== undefined)
    throw new UsageError('--gradual needs a server, which watches what gains traffic: leave out --database')
  const read = readDocument(document)
  if (!read.ok) throw new Error('the document was read before')
  return { document: read.document, prune, since: revision }
}

const ownDatabase: DocumentTarget = {
  plan: async (request, replays = false) => {
    if (replays) throw new UsageError('--replay needs a server: the database knows nothing of questions')
    return withOwnDatabase(async (database) =>
      viewPlan(await planDocument(database, optionsOf(request)), request.all),
    )
  },
  apply: (request) =>
    withOwnDatabase(async (database) => {
      const by = { ...author, source: 'apply', message: request.message ?? null } as const
      const { revision, plan } = await applyDocument(database, by, optionsOf(request))
      return { ...viewPlan(plan, request.all), appliedAs: revision }
    }),
  export: (owner) =>
    withOwnDatabase(async (database) => {
      const document = await database.readMuch((tx) => exportDocument(tx, { owner, rrsets: true }))
      if (document === null)
        throw new Error('there are too many RRsets for a document: export zones as master files')
      return document
    }),
}
