import {
  type DestinationStream,
  destination,
  type Logger,
  pino,
  stdSerializers,
  stdTimeFunctions,
} from 'pino'
import { forPeople } from './terminal-log.ts'

export type { Logger } from 'pino'

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

const secretKeys = ['password', 'token', 'adminToken', 'secret', 'authorization', 'databaseUrl', 'cacheUrl']

/**
 * JSON lines on standard output, written before the call returns, so that the line that says why a process ends is
 * never lost; unless it goes elsewhere (`output.ts`), or a person reads it at a terminal (`terminal-log.ts`). Fields that hold secrets are
 * censored, and so are passwords in the URLs of error messages.
 */
export function createLog(level: LogLevel, stream: DestinationStream = standardOutput()): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError, error: serializeError },
      // The whole line: pino copies an error's message into `msg`, and an address may stand in any field.
      hooks: { streamWrite: maskPasswords },
      redact: {
        paths: [
          ...secretKeys,
          ...secretKeys.map((key) => `*.${key}`),
          ...secretKeys.map((key) => `*.*.${key}`),
        ],
        censor: '[secret]',
      },
    },
    stream,
  )
}

/** A full disk or a closed terminal costs lines, and nothing else: an error that nobody hears would end the process. */
function standardOutput(): DestinationStream {
  return forPeople(destination({ dest: 1, sync: true }).on('error', () => undefined))
}

/**
 * `scheme://user:password@host` without the password, nor one that stands behind it as `?password=`. The text may be JSON, and
 * stays JSON.
 */
export function maskPasswords(text: string): string {
  if (!text.includes('://')) return text
  return text
    .replaceAll(/([a-z][a-z0-9+.-]{0,20}:\/\/[^\s:/@"\\]*):[^\s/"\\]*@/gi, '$1:[secret]@')
    .replaceAll(/([?&](?:ssl)?password=)[^\s&"\\]*/gi, '$1[secret]')
}

function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { type, message, stack } = stdSerializers.err(error)
  const { code } = error as { code?: unknown }
  return { type, ...(code === undefined ? {} : { code }), message, stack }
}
