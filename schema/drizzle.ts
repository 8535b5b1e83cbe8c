/**
 * drizzle-orm, for all who use it. It is loaded as CommonJS: for each file of a package that is loaded as an ES module Node parses the
 * package's whole `package.json` again, which in this package has 179 KB. A second of CPU went into that at every start.
 */
import { createRequire } from 'node:module'

export type { SQL, SQLWrapper } from 'drizzle-orm'
export type { NodePgDatabase } from 'drizzle-orm/node-postgres'
export type { AnyPgColumn, PgColumn, PgSelect } from 'drizzle-orm/pg-core'

const require = createRequire(import.meta.url)

export const {
  and,
  asc,
  count,
  desc,
  eq,
  gt,
  gte,
  inArray,
  isNotNull,
  isNull,
  lt,
  lte,
  ne,
  notInArray,
  or,
  sql,
} = require('drizzle-orm') as typeof import('drizzle-orm')

export const { drizzle } = require('drizzle-orm/node-postgres') as typeof import('drizzle-orm/node-postgres')

export const {
  bigint,
  boolean,
  check,
  customType,
  doublePrecision,
  foreignKey,
  index,
  inet,
  integer,
  json,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  unique,
} = require('drizzle-orm/pg-core') as typeof import('drizzle-orm/pg-core')
