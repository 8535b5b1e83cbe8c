/** What somebody who has started the server at a terminal wants to know next. */
import { join } from 'node:path'
import { styleText } from 'node:util'
import { formatListenAddress, type ListenAddress } from '../dataplane/listener/listener.ts'
import { demoName } from './demo.ts'
import { reachable } from './http-address.ts'

export interface Banner {
  readonly version: string
  readonly dns: readonly ListenAddress[]
  readonly http: ListenAddress
  readonly dataDir: string
  /** Set by whoever runs the server, so that it stands in no file of ours. */
  readonly tokenGiven: boolean
  readonly demo: boolean
}

/** Five lines. */
export function banner({ version, dns, http, dataDir, tokenGiven, demo }: Banner): string {
  const at = reachable(dns[0] ?? http)
  const name = demo ? demoName : 'NAME'
  const rows = [
    ['page', `http://${formatListenAddress(reachable(http))}/console`],
    ['API', `http://${formatListenAddress(reachable(http))}/docs`],
    ['DNS', `dig @${at.host} -p ${at.port} ${name}`],
    ['token', tokenGiven ? 'POOLDNS_ADMIN_TOKEN' : join(dataDir, 'admin-token')],
  ]
  const title = styleText('bold', `pooldns ${version} answers`)
  return [title, ...rows.map(([what, text]) => `  ${styleText('dim', what!.padEnd(6))}${text}`), ''].join(
    '\n',
  )
}
