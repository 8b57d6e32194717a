/**
 * Run once by the build, after all is bundled: delivers the message on its standard input through a script, and keeps the
 * code that V8 made of the bundles on the way (lib/sys/bundle.ts).
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Script } from 'node:vm'
import { codePath, loadBundle } from '../sys/bundle.js'

const script = `require ["fileinto", "envelope", "imap4flags", "copy", "variables", "mailbox", "body", "subaddress"];
if header :contains ["from", "subject"] "no" { fileinto "A"; stop; }
elsif address :is :domain ["to", "cc"] "no.example" { discard; }
if anyof (header :is "x-a" "b", not header :matches "subject" "*c*d*", exists ["x-a", "x-b"], size :over 1M,
  envelope :localpart "from" "no", body :contains "no", allof (true, address :detail "to" "no"))
  { set "a" "\${1}b"; addflag "\\\\Seen"; fileinto :copy :create "A"; }
else { keep; }
`

const directory = mkdtempSync(join(tmpdir(), 'postern-warm-'))
const home = join(directory, 'home')
mkdirSync(home)
writeFileSync(join(home, '.dovecot.sieve'), script)
writeFileSync(join(directory, 'users'), 'u:{PLAIN}x:::::\n')
writeFileSync(join(directory, 'aliases'), 'a: u\n')
const config = join(directory, 'mail.toml')
writeFileSync(
  config,
  `hostname = "mail.example.org"\ndomains = ["example.org"]\n[users]\nhome = "${home}"\n[relay]\nhost = "127.0.0.1:25"\n`,
)

const made = new Map<string, Script>()
globalThis.onBundle = (path, script) => made.set(path, script)
process.argv = [process.argv[0] as string, 'mail-deliver', '-c', config, '-d', 'u']
process.on('exit', () => {
  for (const [path, script] of made) writeFileSync(codePath(path), script.createCachedData())
  rmSync(directory, { recursive: true, force: true })
})
loadBundle(resolve('dist/bin/mail-deliver.bundle'))
