/** Whose certificates are believed, of servers that we are a client of. */
import { existsSync, readFileSync } from 'node:fs'
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls'
import { describe, exits, MailError } from '../sys/error.js'

const trusts = new Map<string, SecureContext>()
/** Where systems keep the authorities they trust, those that were added there among them. */
const bundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/cert.pem',
]

/** Node's own list and the system's: made once, since it is some hundred certificates. */
export function systemTrust(): SecureContext {
  const known = trusts.get('')
  if (known) return known
  const bundle = bundles.find(existsSync)
  const trust = createSecureContext({
    ca: bundle ? [...rootCertificates, readFileSync(bundle, 'utf8')] : [...rootCertificates],
  })
  trusts.set('', trust)
  return trust
}

/** The authorities of a PEM file. @throws MailError (78) */
export function trustIn(file: string): SecureContext {
  try {
    return createSecureContext({ ca: readFileSync(file) })
  } catch (error) {
    throw new MailError(`cannot use the authorities in ${file}: ${describe(error)}`, { exit: exits.config })
  }
}
