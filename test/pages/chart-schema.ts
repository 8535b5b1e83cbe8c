/** The variables that an operator may set through the Helm chart: those of `serve`, without those that follow from its other values. */
import { settingFlags } from '../../src/config.ts'

/** From the root of the repository. */
export const chartSchemaPath = 'deploy/helm/pooldns/values.schema.json'

/** Set by the chart itself, from values that say more: ports, the data directory, secrets. */
export const ofChart: readonly string[] = [
  'DATABASE_URL',
  'POOLDNS_CERTIFICATE_DIR',
  'POOLDNS_DATA_DIR',
  'POOLDNS_DNS_LISTEN',
  'POOLDNS_HTTP_LISTEN',
  'POOLDNS_WORKERS',
]

/** The schema of the chart's values with the variables that there are now. @param text as it is */
export function withSettings(text: string): string {
  const schema = JSON.parse(text)
  const names = settingFlags().map(({ variable }) => variable)
  const open = names.filter((name) => !ofChart.includes(name)).sort()
  schema.properties.settings.properties = Object.fromEntries(open.map((name) => [name, { type: 'string' }]))
  return `${JSON.stringify(schema, null, 2)}\n`
}
