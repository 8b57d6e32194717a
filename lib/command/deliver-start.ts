/** What dist/bin/mail-deliver.cjs is: it loads the command's bundle, with the code that was made of it. */
import { fileURLToPath } from 'node:url'
import { loadBundle } from '../sys/bundle.js'

loadBundle(fileURLToPath(new URL('mail-deliver.bundle', import.meta.url)))
