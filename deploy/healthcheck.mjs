// The container's health check, which needs nothing but Node: asks the daemon's own /health. Exit code 0 when it can
// answer DNS, else 1 and the reason. POOLDNS_HTTP_LISTEN says where, as it does to the daemon; every address of the
// host stands for its loopback address.
const listen = process.env.POOLDNS_HTTP_LISTEN || '127.0.0.1:3000'
const address = listen.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:')

try {
  const response = await fetch(`http://${address}/health`, { signal: AbortSignal.timeout(4000) })
  if (response.status !== 200) throw new Error(`status ${response.status}: ${await response.text()}`)
} catch (error) {
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : ''
  process.stderr.write(`${address}: ${error.message}${cause}\n`)
  process.exitCode = 1
}
