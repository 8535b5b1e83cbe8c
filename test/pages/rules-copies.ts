/** The rules of Prometheus where Kubernetes is told of them: a chart reads no file outside of itself, and no kustomization wraps one. */

/** From the root of the repository, as all paths here. */
export const rulesPath = 'deploy/prometheus/rules.yaml'

const head = `# The rules of ${rulesPath}, written by \`npm run pages\`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: pooldns
  labels:
    # The label by which your Prometheus picks its rules.
    release: prometheus
spec:
`

/** What each copy holds. @param rules the text of the rules */
export function rulesCopies(rules: string): ReadonlyMap<string, string> {
  const indented = rules.replaceAll(/^(?=.)/gm, '  ')
  return new Map([
    ['deploy/helm/pooldns/files/rules.yaml', rules],
    ['deploy/kustomize/components/monitoring/prometheus-rule.yaml', head + indented],
  ])
}
