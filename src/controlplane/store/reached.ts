/**
 * What a token with limits reaches (`model/reach.ts`), as conditions of queries: a page must hold no names that are not reached, and
 * neither must its cursor. Patterns become regular expressions of PostgreSQL's, which takes no exponential time for any.
 */
import { and, or, type SQL, type SQLWrapper, sql } from '../../../schema/drizzle.ts'
import { history } from '../../../schema/journal.ts'
import { type Reach, type ReachKind, withoutEscapedDots } from '../model/reach.ts'
import { texts } from './neighbourhood.ts'

/** Of a column with names, or with patterns: those that are reached with all that they stand for. Undefined for everything. */
export function reached(
  reach: Reach | null | undefined,
  kind: ReachKind,
  column: SQLWrapper,
): SQL | undefined {
  return reach === null || reach === undefined ? undefined : matching(column, reach.patterns(kind))
}

/** Of the history: the parts that are reached. */
export function historyReached(reach: Reach): SQL {
  const { kind, key } = history
  const part = (word: string, name: SQLWrapper, of: ReachKind) =>
    and(sql`${kind} = ${word}`, matching(name, reach.patterns(of)))
  return or(
    part('feed', key, 'feed'),
    part('monitor', key, 'monitor'),
    part('pool', key, 'pool'),
    part('member', sql`split_part(${key}, '/', 1)`, 'pool'),
    part('service', key, 'service'),
    part('zone', key, 'zone'),
    part('rrset', sql`split_part(${key}, chr(9), 1)`, 'zone'),
  )!
}

/** Of the audit log, by action and key: what was done to things that are reached. */
export function auditReached(reach: Reach, action: SQLWrapper, key: SQLWrapper): SQL {
  const done = (words: readonly string[], name: SQLWrapper, of: ReachKind) =>
    and(sql`split_part(${action}, '.', 1) = any(${texts(words)})`, matching(name, reach.patterns(of)))
  const zones = reach.patterns('zone')
  return or(
    done(['feed'], key, 'feed'),
    done(['monitor'], key, 'monitor'),
    done(['pool'], key, 'pool'),
    done(['member', 'override'], sql`split_part(${key}, '/', 1)`, 'pool'),
    done(['service', 'service-override'], key, 'service'),
    done(['zone'], key, 'zone'),
    // Apex, owner and type with slashes between, which apex and owner may have in them: where that can be read in two ways, it is
    // of nobody.
    and(
      sql`split_part(${action}, '.', 1) = 'rrset' and ${key} ~ '^[^/]*/[^/]*/[^/]*$'`,
      matching(sql`split_part(${key}, '/', 1)`, zones),
    ),
  )!
}

function matching(column: SQLWrapper, patterns: readonly string[]): SQL {
  return sql`${unescaped(column)} ~ any(${texts(patterns.map((pattern) => expressionOf(withoutEscapedDots(pattern))))})`
}

/** As `withoutEscapedDots` has it. What stands for a pair of backslashes meanwhile is in no name as text. */
function unescaped(column: SQLWrapper): SQL {
  return sql`replace(replace(replace(${column}, ${'\\\\'}, chr(1)), ${'\\.'}, ${'\\046'}), chr(1), ${'\\\\'})`
}

/** As `patternWithin` has it. */
function expressionOf(pattern: string): string {
  const parts = pattern.replaceAll(/[^A-Za-z0-9]/g, (character) =>
    character === '*' ? '.*' : character === '?' ? '[^*]' : `\\${character}`,
  )
  return `^(?:${parts})$`
}
