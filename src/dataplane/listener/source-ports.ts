/**
 * Source ports that no datagram is answered to: 0, which can't be answered, and those of services that answer whatever they get (echo
 * 7, daytime 13, quotes of the day 17, characters 19, time 37). A query from one of those is forged, so that a
 * server and the service go on answering each other; no resolver asks from there.
 */
const unanswered = new Uint8Array(256)
for (const port of [0, 7, 13, 17, 19, 37]) unanswered[port] = 1

export function isAnswered(port: number): boolean {
  return port > 0xff || unanswered[port] === 0
}
