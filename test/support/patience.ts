/**
 * How long tests wait for what must come: nearly as long as tap gives their file (`timeout` in .taprc), so that there is time to say
 * what did not come. A shorter wait would test how busy the machine is.
 */
export const patienceMs = 840_000

/** What is left of that since this process began, for a wait that begins now: also one that begins late says what did not come. */
export const patienceLeftMs = (): number => Math.max(1000, patienceMs - performance.now())

/** A signal for one such wait. */
export const patience = (): AbortSignal => AbortSignal.timeout(Math.ceil(patienceLeftMs()))
