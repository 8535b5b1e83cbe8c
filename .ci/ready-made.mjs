// Makes the files of an empty embedded database, once for each version of it, so that no start has to: it takes some seconds.
import { makeReadyMade } from '../src/controlplane/store/ready-made-database.ts'

await makeReadyMade()
