/**
 * How long tests wait for what must come: nearly as long as tap gives their file (`timeout` in .taprc), so that there is time to say
 * what did not come. A shorter wait would test how busy the machine is.
 */
export const patienceMs = 840_000

/** A signal for one such wait. */
export const patience = (): AbortSignal => AbortSignal.timeout(patienceMs)
