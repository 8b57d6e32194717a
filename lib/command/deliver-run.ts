/** What dist/bin/mail-deliver.bundle holds. */
import { deliver } from './deliver.js'
import { run } from './run.js'

void run(deliver)
